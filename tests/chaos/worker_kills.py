"""Kills single workers of a service while callers stream into all of them."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chaos.caller import Caller
from chaos.checker import check
from chaos.history import CALLS, Log
from chaos.kill_driver import KillRun, Report
from chaos.processes import Process, start_sandbox

_CALLERS: Final = 6
"""Each on a connection of its own: the kernel spreads connections, not calls."""


class WorkerKillRun(KillRun):
    """One run in which the supervisor lives and its workers do not."""

    async def finish(self) -> Report:
        """Run it all, and judge the history."""
        sandbox, url = await start_sandbox(self._setup)
        self._setup.write_settings(url)
        log = Log(self._setup.folder / CALLS)
        target = f"127.0.0.1:{self._port}"
        callers = [Caller(target, self._work, log) for _ in range(_CALLERS)]
        calling = [asyncio.ensure_future(one.run()) for one in callers]
        try:
            server = await self._ready()
            await self._kill_workers(server, calling)
            await asyncio.gather(*calling)
            await self._until_quiet(server)
            self._report.exits.append(await server.end(signal.SIGINT))
            await self._settle()
        finally:
            for one in calling:
                one.cancel()
            await asyncio.gather(*calling, return_exceptions=True)
            for process in self._servers:
                await process.end(signal.SIGKILL)
            await sandbox.end(signal.SIGTERM)
            log.close()
        self._report.statuses = [said for one in callers for said in one.statuses]
        self._report.findings = check(self._setup.folder)
        return self._report

    async def _kill_workers(
        self, server: Process, calling: Sequence[asyncio.Future[None]]
    ) -> None:
        share = -(-self._work.chunks // max(1, self._plan.kills))
        enough = False
        while not (enough and all(one.done() for one in calling)):
            self._check_time()
            enough = self._report.kills >= self._plan.kills
            self._work.allow(self._work.chunks if enough else share)
            await asyncio.sleep(self._chance.uniform(*self._plan.after))
            if not enough and (workers := children(server.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._chance.choice(workers), signal.SIGKILL)
                    self._report.kills += 1


def children(pid: int) -> list[int]:
    """Give the processes that a process has started and that still run."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        found += map(int, path.read_text().split())
    return sorted(found)
