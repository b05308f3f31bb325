"""Kills the server at its named failpoints, one life for each, and judges the end."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from chaos.kill_driver import KillRun, Plan
from chaos.processes import CONNECTION, Process, Setup
from tokferry_server.delivery.failpoints import POINTS, VARIABLE

REPLAY: Final = "outbox.in_replay"
AT_THE_END: Final = frozenset(
    {"delivery.in_drain", "outbox.before_checkpoint", "outbox.after_checkpoint"}
)
_RARE: Final = frozenset(
    {"delivery.before_kill", "outbox.before_kill", "delivery.in_isolation"}
)
_LIFE_CHUNKS: Final = 4
_MOST_LIFE_S: Final = 60.0
_LOOK_S: Final = 0.02
_MORE_S: Final = 1.0


class FailpointRun(KillRun):
    """Dies ``times`` times at each point; ``deaths`` counts them."""

    def __init__(
        self, setup: Setup, plan: Plan, *, times: int, points: Sequence[str] = POINTS
    ) -> None:
        super().__init__(setup, plan)
        self.deaths: Counter[str] = Counter()
        self._times = times
        self._points = points

    async def _kill_while(self, calling: "asyncio.Task[None]") -> None:
        for point in self._order():
            self._check_time()
            first = 1 if point in _RARE else self._chance.randint(1, 4)
            if point == REPLAY:
                await self._die_in_replay()
            else:
                await self._die_at(point, 1 if point in AT_THE_END else first)
            self.deaths[point] += 1
            self._report.kills += 1
        self._work.close()
        server = await self._ready()
        await asyncio.wait_for(calling, 60)
        await self._kill(server)

    def _order(self) -> Iterator[str]:
        """Give the points, that of the replay last: it needs dead letters."""
        points = sorted(self._points, key=lambda point: point == REPLAY)
        for point in points:
            yield from [point] * self._times

    async def _die_at(self, point: str, first: int) -> None:
        environment = {VARIABLE: f"{point}=kill@{first}"}
        server = await self.start_server(environment)
        await server.line()
        began = more = time.monotonic()
        self._work.allow(_LIFE_CHUNKS)
        while server.status is None and time.monotonic() - began < _MOST_LIFE_S:
            await asyncio.sleep(_LOOK_S)
            server.resident()
            if time.monotonic() - more < _MORE_S:
                continue
            if point in AT_THE_END:
                break
            more = time.monotonic()
            self._work.allow(_LIFE_CHUNKS)
        _check(point, await server.end(signal.SIGINT))
        self._report.peak = max(self._report.peak, server.peak)

    async def _die_in_replay(self) -> None:
        setup = self._setup
        replay = await Process.fork(
            "replay.py",
            str(setup.outbox),
            CONNECTION,
            environment={**setup.environment(), VARIABLE: f"{REPLAY}=kill"},
            errors=setup.folder / "replay.err",
        )
        _check(REPLAY, await replay.ended(60))


def _check(point: str, status: int) -> None:
    if status != -signal.SIGKILL:
        raise AssertionError(f"{point}: the process ended with {status}, not there")
