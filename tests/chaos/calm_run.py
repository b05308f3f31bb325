"""A run in which nobody kills the server: only TikTok fails."""

import asyncio
import signal

from chaos.kill_driver import KillRun


class CalmRun(KillRun):
    """Streams all events into one server, then lets it deliver them."""

    async def _kill_while(self, calling: "asyncio.Task[None]") -> None:
        server = await self._ready()
        self._work.allow(self._work.chunks)
        await calling
        await self._until_quiet(server)
        self._report.peak = max(self._report.peak, server.peak)
        self._report.exits.append(await server.end(signal.SIGINT))
