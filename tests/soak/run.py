"""One soak, from its secrets to its verdict."""

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chaos.history import CALLS, Log
from chaos.kill_driver import look_inside
from chaos.processes import Setup
from soak.bounds import Row, none, watched
from soak.desk import Desk
from soak.explained import shown, unexplained
from soak.load import Load
from soak.rotation import Rotation
from soak.service import Faults, Sample, Service, served
from soak.shares import Sums, check
from tokferry import Tls

_LOW: Final = 200.0
"""Events a second while the capacity is measured."""
_LOAD: Final = 0.6
_LOOKS: Final = 2
"""The capacity is looked at again under the load that follows from the first look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long, how hard; seconds, and events a second. ``rate`` 0: 0.6 of what one
    core can do, but at most ``most``. ``rotate``: how often each secret is replaced;
    ``drain``: for how long at most the outbox may take to become empty, 0: it need not.
    """

    seconds: float
    rate: float = 0.0
    most: float = 2000.0
    measure: float = 30.0
    rotate: float = 180.0
    look: float = 15.0
    drain: float = 120.0
    faults: Faults


@dataclass(slots=True)
class Report:
    """What a run came to."""

    rate: float = 0.0
    capacity: float = 0.0
    cpu: float = 0.0
    seconds: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    sums: Sums = field(default_factory=Sums)
    status: int | None = None
    drained: bool = False
    calls: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    late: int = 0
    rotations: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def rows(self) -> list[Row]:
        """Judge it."""
        sums, calls = self.sums, sum(self.calls.values())
        return [
            *watched(self.samples),
            none("acked events lost", sums.lost, f"{sums.acked:,}"),
            none("events changed", sums.changed, f"{sums.taken:,}"),
            none("events counted twice", sums.counted_twice, f"{sums.taken:,}"),
            none("other faults of the history", len(sums.problems)),
            none("calls that failed", sum(self.failures.values()), f"{calls:,}"),
            none("log lines that nothing explains", len(self.left)),
            none("rotations without effect", len(self.problems)),
            *([none("events that wait at the end", sums.pending)] * self.drained),
            none("exit status of the server", self.status or 0),
        ]


async def soak(folder: Path, plan: Plan) -> Report:
    """Run it in an empty folder, and judge what it leaves behind."""
    report = Report()
    rotation = Rotation(folder)
    log = Log(folder / CALLS)
    began = time.monotonic()
    try:
        async with served(folder, plan.faults) as service:
            await _calls(service, rotation, log, plan, report)
            report.drained = await _drained(service, plan.drain)
            report.status = await service.process.end(signal.SIGTERM)
    finally:
        log.close()
    report.seconds = time.monotonic() - began
    report.rotations, report.problems = rotation.done, rotation.problems
    await look_inside(Setup(folder=folder, scale=1.0))
    report.sums = await asyncio.to_thread(check, folder)
    with (folder / "server.err").open() as lines:
        report.left = unexplained(lines, report.sums.faults + rotation.done)
    return report


async def _calls(
    service: Service, rotation: Rotation, log: Log, plan: Plan, report: Report
) -> None:
    desk = Desk(service.target, Tls(authorities=rotation.authority.file))
    await desk.relieve(rotation.token)
    load = Load(desk, log, plan.rate or min(_LOW, plan.most))
    calling = asyncio.create_task(load.run())
    for _ in range(_LOOKS):
        report.capacity = await _capacity(service, load, plan.measure / _LOOKS)
        load.rate = plan.rate or min(plan.most, _LOAD * report.capacity)
    report.rate = load.rate
    port = int(service.target.rpartition(":")[2])
    stop = asyncio.Event()
    rotating = asyncio.create_task(rotation.run(desk, port, plan.rotate, stop))
    watching = asyncio.create_task(_watch(service, plan.look, report))
    cpu, since = service.cpu(), time.monotonic()
    await asyncio.wait(
        (calling, rotating, watching),
        timeout=plan.seconds,
        return_when=asyncio.FIRST_COMPLETED,
    )
    if service.process.status is not None:
        raise RuntimeError(f"the server ended with {service.process.status}")
    report.cpu = (service.cpu() - cpu) / (time.monotonic() - since)
    stop.set()
    await rotating
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
    load.over = True
    await calling
    await desk.close()
    report.calls, report.outcomes = load.calls, load.outcomes
    report.failures, report.late = load.failures, load.late


async def _capacity(service: Service, load: Load, seconds: float) -> float:
    """Give the events a second that one core could do, by the CPU that some took."""
    await asyncio.sleep(seconds / 2)
    cpu, events = service.cpu(), load.events
    await asyncio.sleep(seconds / 2)
    used = service.cpu() - cpu
    if not used or load.events == events:
        raise RuntimeError("the server did nothing while its capacity was measured")
    return (load.events - events) / used


async def _watch(service: Service, every: float, report: Report) -> None:
    began = time.monotonic()
    while service.process.status is None:
        report.samples.append(await service.sample(time.monotonic() - began))
        await asyncio.sleep(every)


async def _drained(service: Service, seconds: float) -> bool:
    """Wait until nothing waits in the outbox, if at all; false: nobody waited."""
    until = time.monotonic() + seconds
    while service.process.status is None and time.monotonic() < until:
        if not (await service.sample(0.0)).waiting:
            break
        await asyncio.sleep(1)
    return seconds > 0


def machine() -> str:
    """Say how busy the machine is: times depend on it."""
    loads = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return f"{os.cpu_count()} cores, load {loads}"


def told(report: Report) -> str:
    """Say the problems in words."""
    said = {
        "history": "; ".join(report.sums.problems[:5]),
        "calls": str(dict(report.failures)) if report.failures else "",
        "log": shown(report.left),
        "rotations": "; ".join(report.problems),
    }
    return "\n".join(f"{where}: {text}" for where, text in said.items() if text)
