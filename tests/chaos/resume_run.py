"""Kills `tokferry forward` again and again, resumes it, and counts what arrived."""

import asyncio
import json
import random
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chaos.events import chunk_json
from chaos.history import Seen, read_posts
from chaos.processes import (
    CONNECTION,
    HERE,
    Process,
    Setup,
    free_port,
    start_sandbox,
    start_server,
)

LABEL: Final = "resumed"
WAYS: Final = ("sync", "durable", "local")
_BATCH: Final = 10
_LOOK_S: Final = 0.05
_JITTER_S: Final = 1.0
"""Longer than it takes to save the state: the kill comes before that, or after."""
_LAST_SHARE: Final = 0.9


@dataclass(slots=True, kw_only=True)
class Resumed:
    """What a run came to; ``summary`` is what the last command printed."""

    way: str
    events: int
    kills: int = 0
    requests: int = 0
    copies: int = 0
    seconds: float = 0.0
    summary: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class ResumeRun:
    """One run; ``way`` is one of WAYS, ``most_seconds`` bounds each command."""

    def __init__(
        self,
        setup: Setup,
        *,
        events: int,
        kills: int,
        way: str,
        most_seconds: float = 3600.0,
    ) -> None:
        self._setup = setup
        self._report = Resumed(way=way, events=events)
        self._chance = random.Random(setup.seed)
        self._kills = kills
        self._port = free_port()
        self._state = setup.folder / "run.state"
        self._most_seconds = most_seconds
        self._command: asyncio.subprocess.Process | None = None

    async def finish(self) -> Resumed:
        """Forward the file, killed so many times, and judge what arrived."""
        report = self._report
        folder = self._setup.folder
        await asyncio.to_thread(write_events, folder / "events.ndjson", report.events)
        sandbox, url = await start_sandbox(self._setup)
        self._setup.write_settings(url)
        server: Process | None = None
        began = time.monotonic()
        try:
            if report.way != "local":
                server = await start_server(self._setup, self._port)
                await server.line()
            await self._forward()
        finally:
            if self._command is not None and self._command.returncode is None:
                self._command.kill()
            if server is not None:
                await server.end(signal.SIGINT)
            await sandbox.end(signal.SIGTERM)
        report.seconds = time.monotonic() - began
        await asyncio.to_thread(judge, report, folder)
        return report

    async def _forward(self) -> None:
        """Kill each command somewhere behind the last, and let one come to its end."""
        batches = -(-self._report.events // _BATCH)
        shares = (self._chance.uniform(0, _LAST_SHARE) for _ in range(self._kills))
        for share in sorted(shares):
            process = await self._start()
            ending = asyncio.create_task(process.wait())
            # It tells nobody how far it is but in its state.
            while self._done() < share * batches and not ending.done():  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_S)
            await asyncio.wait([ending], timeout=self._chance.uniform(0, _JITTER_S))
            if not ending.done():
                process.kill()
                self._report.kills += 1
            await ending
        process = await self._start()
        async with asyncio.timeout(self._most_seconds):
            out, _ = await process.communicate()
        self._report.summary = json.loads(out)
        if process.returncode:
            self._report.problems.append(
                f"the last one ended with {process.returncode}"
            )

    async def _start(self) -> asyncio.subprocess.Process:
        way = self._report.way
        where = {
            "local": ("--local",),
            "sync": ("--target", f"127.0.0.1:{self._port}", "--mode", "sync"),
            "durable": ("--target", f"127.0.0.1:{self._port}", "--mode", "durable"),
        }
        wait = ("--wait", "--label", LABEL) if way == "durable" else ()
        settings = ("--settings", str(self._setup.folder / "tokferry.toml"))
        with (self._setup.folder / "forward.err").open("ab") as errors:
            self._command = await asyncio.create_subprocess_exec(
                *(sys.executable, str(HERE / "launcher.py"), "forward"),
                str(self._setup.folder / "events.ndjson"),
                *("--state", str(self._state), "--connection", CONNECTION, "--json"),
                *(*settings, *where[way], *wait),
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=self._setup.environment(),
            )
        return self._command

    def _done(self) -> int:
        try:
            (file,) = json.loads(self._state.read_bytes())["files"]
        except FileNotFoundError:
            return 0
        return int(file["done"])


def write_events(path: Path, events: int) -> None:
    """Write numbered events, ten a batch and line."""
    with path.open("wb") as file:
        for first in range(0, events, _BATCH):
            file.write(chunk_json(first, min(_BATCH, events - first)) + b"\n")


def judge(report: Resumed, folder: Path) -> None:
    """Note what TikTok would count otherwise than once, and what the summary says."""
    taken: dict[int, Seen] = {}
    changed = 0
    for post in read_posts(folder):
        report.requests += 1
        for one in post.events if post.taken else ():
            changed += taken.setdefault(one.number, one) != one
            report.copies += 1
    report.copies -= len(taken)
    counted = {(one.event, one.event_id) for one in taken.values()}
    expected = report.events
    found = {
        "events never taken": expected - len(taken.keys() & set(range(expected))),
        "events that nobody sent": len(taken.keys() - set(range(expected))),
        "events with another id or content when sent again": changed,
        "events counted less or more than once": abs(len(counted) - expected),
        "events that the summary has wrong": abs(_answered(report) - expected),
    }
    if report.way == "durable":
        delivered = (report.summary.get("label") or {}).get("delivered", 0)
        found["events that the label has wrong"] = abs(delivered - expected)
    report.problems += [f"{number} {what}" for what, number in found.items() if number]


def _answered(report: Resumed) -> int:
    outcomes = report.summary.get("outcomes", {})
    wanted = ("ACCEPTED", "DELIVERED") if report.way == "durable" else ("DELIVERED",)
    return sum(outcomes.get(name, 0) for name in wanted)


def line(report: Resumed) -> str:
    """Say in one line what a run came to."""
    return (
        f"{report.way}: {report.events:,} events, {report.kills} kills, "
        f"{report.requests:,} requests, {report.copies:,} events sent again, "
        f"{report.seconds:.0f} s, {len(report.problems)} problems"
    )
