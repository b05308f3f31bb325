"""Streams events into a server that is killed, over and over, until all is settled."""

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from chaos.caller import Caller, Work
from chaos.checker import Findings, check
from chaos.history import CALLS, POSTS, Kept, Log, read_kept
from chaos.processes import (
    CONNECTION,
    Process,
    Setup,
    free_port,
    start_sandbox,
    start_server,
)
from tokferry_server.settings.seat import found

CHUNK: Final = 100
_LOOK_S: Final = 0.05
_QUIET_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many events, and at least how many kills, each so long after ready.

    When there were enough, the others come ``later``.

    ``ending`` SIGTERM lets it drain instead. A run fails after ``most_seconds``.
    """

    events: int
    kills: int
    after: tuple[float, float] = (0.2, 1.2)
    later: tuple[float, float] = (1.0, 6.0)
    chunk: int = CHUNK
    most_seconds: float = 1800.0
    ending: signal.Signals = signal.SIGKILL


@dataclass(slots=True)
class Report:
    """What a run came to. Memory in bytes, time in seconds."""

    events: int
    findings: Findings = field(default_factory=Findings)
    kills: int = 0
    exits: list[int] = field(default_factory=list)
    peak: int = 0
    seconds: float = 0.0
    slowest_end: float = 0.0
    statuses: list[tuple[str, str]] = field(default_factory=list)


class KillRun:
    """One run; ``finish`` gives the report."""

    def __init__(self, setup: Setup, plan: Plan) -> None:
        self._setup = setup
        self._plan = plan
        self._chance = random.Random(setup.seed)
        self._port = free_port()
        self._report = Report(plan.events)
        self._work = Work(plan.events, plan.chunk, 0)
        self._began = time.monotonic()
        self._servers: list[Process] = []

    async def finish(self) -> Report:
        """Run it all, and judge the history."""
        sandbox, url = await start_sandbox(self._setup)
        self._setup.write_settings(url)
        log = Log(self._setup.folder / CALLS)
        caller = Caller(f"127.0.0.1:{self._port}", self._work, log)
        calling = asyncio.create_task(caller.run())
        try:
            await self._kill_while(calling)
            await self._settle()
        finally:
            calling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await calling
            for server in self._servers:
                await server.end(signal.SIGKILL)
            await sandbox.end(signal.SIGTERM)
            log.close()
        report = self._report
        report.statuses = caller.statuses
        report.seconds = time.monotonic() - self._began
        report.findings = check(self._setup.folder)
        return report

    async def _kill_while(self, calling: "asyncio.Task[None]") -> None:
        """Kill servers until all is acked, and often enough."""
        share = -(-self._work.chunks // max(1, self._plan.kills))
        while not calling.done() or self._report.kills < self._plan.kills:
            self._check_time()
            enough = self._report.kills >= self._plan.kills
            server = await self._ready()
            self._work.allow(self._work.chunks if enough else share)
            span = self._plan.later if enough else self._plan.after
            await self._watch(server, self._chance.uniform(*span))
            await self._kill(server)
            if calling.done():
                calling.result()

    async def _ready(self) -> Process:
        server = await self.start_server()
        if not (await server.line()).startswith("listening"):
            status = await server.ended(10)
            raise RuntimeError(f"the server ended with {status} before it was ready")
        return server

    async def start_server(
        self, environment: Mapping[str, str] | None = None
    ) -> Process:
        """Start the server; it does not outlive the run."""
        server = await start_server(self._setup, self._port, environment)
        self._servers = [server]
        return server

    async def _watch(self, server: Process, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and server.status is None:
            server.resident()
            await asyncio.sleep(min(_LOOK_S, left))

    async def _kill(self, server: Process) -> None:
        number = self._plan.ending
        orderly = 0 if number == signal.SIGTERM else -number
        began = time.monotonic()
        status = await server.end(number)
        took = time.monotonic() - began
        self._report.slowest_end = max(self._report.slowest_end, took)
        self._report.kills += status == orderly
        self._report.exits.append(status)
        self._report.peak = max(self._report.peak, server.peak)

    async def _settle(self) -> None:
        """Let a server deliver the rest, until the outbox is empty."""
        while True:
            self._check_time()
            server = await self._ready()
            await self._until_quiet(server)
            self._report.exits.append(await server.end(signal.SIGINT))
            self._report.peak = max(self._report.peak, server.peak)
            if not (await look_inside(self._setup)).pending:
                return

    async def _until_quiet(self, server: Process) -> None:
        posts = self._setup.folder / POSTS
        size, since = -1, time.monotonic()
        while time.monotonic() - since < _QUIET_S and server.status is None:
            server.resident()
            await asyncio.sleep(_LOOK_S)
            if posts.stat().st_size != size:
                size, since = posts.stat().st_size, time.monotonic()
            if time.monotonic() - self._began > self._plan.most_seconds:
                return

    def _check_time(self) -> None:
        if time.monotonic() - self._began > self._plan.most_seconds:
            raise TimeoutError("the run takes too long")


async def look_inside(setup: Setup) -> Kept:
    """Read the outbox of a run while nobody owns it."""
    reader = await Process.fork(
        "kept.py",
        str(setup.folder),
        CONNECTION,
        *map(str, found(setup.outbox).values()),
        environment=setup.environment(),
        errors=setup.folder / "kept.err",
    )
    if status := await reader.ended(120):
        raise RuntimeError(f"the outbox could not be read: status {status}")
    return read_kept(setup.folder)


def table(report: Report) -> str:
    """Print a report as a table of one row."""
    found = report.findings
    row = {
        "acked": f"{len(found.acked):,}",
        "kills": report.kills,
        "requests": f"{found.requests:,}",
        "resent": f"{found.copies:,}",
        "dead letters": len(found.dead),
        "lost": len(found.lost),
        "changed": len(found.changed),
        "counted twice": len(found.counted_twice),
        "RSS max": f"{report.peak / 2**20:.0f} MiB",
        "seconds": f"{report.seconds:.0f}",
    }
    cells = (row, dict.fromkeys(row, "---").values(), row.values())
    return "\n".join(f"| {' | '.join(map(str, each))} |" for each in cells)
