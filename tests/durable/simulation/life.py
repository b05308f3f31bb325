"""One life of a worker process: it can end at any point where it waits."""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from random import Random

from durable.memory_outbox import MemoryOutbox
from durable.simulation.disk import Disk, DiskJournal, DiskPauses
from durable.simulation.tiktok import TikTok
from durable.simulation.time import Times
from tokferry_server.delivery.durable import (
    Clock,
    Worker,
    WorkerConnection,
)
from tokferry_server.delivery.outbox.interface import OutboxError
from tokferry_server.delivery.pace import AppPace, Throttle, TokenBucket
from tokferry_server.tiktok.answer import Answer

APPS = {"shop": "one", "app": "one", "store": "two"}


@dataclass
class Machine:
    """What outlives a process: disk, TikTok, settings, the clock."""

    random: Random
    times: Times
    tiktok: TikTok
    outbox: MemoryOutbox
    disk: Disk
    tokens: dict[str, str | None]
    connections: set[str]
    max_event_age: float | None = None
    disk_full: bool = False

    @property
    def pauses(self) -> DiskPauses:
        return DiskPauses(self.disk)


@dataclass
class Life:
    """A worker until it is stopped, or dies at its ``fuse``-th gate."""

    machine: Machine
    fuse: int | None = None
    dead: asyncio.Event = field(default_factory=asyncio.Event)
    forever: asyncio.Event = field(default_factory=asyncio.Event)
    worker: Worker | None = None
    task: asyncio.Task[None] | None = None
    settings: "_Settings | None" = None

    def begin(self) -> None:
        machine, loop = self.machine, asyncio.get_running_loop()
        shift = machine.random.uniform(0, 1e6)

        def monotonic() -> float:
            return loop.time() + shift

        machine.outbox.gate = self._gate
        throttles = partial(Throttle, clock=monotonic, wall=machine.times.wall)
        paces = {
            app: AppPace(
                bucket=TokenBucket(500, clock=monotonic, sleep=self._sleep),
                throttle=throttles(),
            )
            for app in sorted(set(APPS.values()))
        }
        journal = DiskJournal(machine.disk)
        clock = Clock(
            monotonic=monotonic,
            wall=machine.times.wall,
            sleep=self._sleep,
            random=machine.random.random,
            uptime=machine.times.uptime,
        )
        self.settings = _Settings(self, paces)
        self.worker = Worker(
            outbox=machine.outbox,
            connections=self.settings,
            clock=clock,
            journal=journal,
            pauses=machine.pauses,
            pool=8,
            poll=120.0,
            nap=1800.0,
        )
        self.task = loop.create_task(self.worker.run())

    def settings_changed(self) -> None:
        if self.settings is not None:
            self.settings.follow()

    def die(self) -> None:
        self.dead.set()
        self.machine.outbox.forget_claims()

    async def post(  # noqa: PLR0913  the shape of a poster
        self,
        path: str,
        token: str,
        body: bytes,
        *,
        key: str,
        resend: int = 0,
        patience: float | None = None,
    ) -> Answer:
        await self._gate("before post")
        answer = await self.machine.tiktok.post(
            path, token, body, key=key, resend=resend, patience=patience
        )
        await self._gate("after post")
        return answer

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._gate("slept")

    async def _gate(self, name: str) -> None:
        """Die here if the fuse is burnt; once dead, nothing goes on."""
        if name.endswith("put"):
            return
        machine = self.machine
        if self.fuse is not None and not self.dead.is_set():
            self.fuse -= 1
            if self.fuse < 0:
                machine.tiktok.note("dies", name)
                self.die()
        if self.dead.is_set():
            await self.forever.wait()
        if machine.disk_full and name in ("before settle", "before reschedule"):
            raise OutboxError("the disk is full")


class _Settings(dict[str, WorkerConnection]):
    """The connections as the machine's settings have them now."""

    def __init__(self, life: Life, paces: dict[str, AppPace]) -> None:
        super().__init__()
        self.life, self.paces = life, paces
        self.follow()

    def follow(self) -> None:
        machine = self.life.machine
        self.clear()
        for name in sorted(machine.connections):
            self[name] = WorkerConnection(
                poster=self.life,
                token=partial(_token, machine, name),
                pace=self.paces[APPS[name]],
                concurrency=4,
                max_event_age=machine.max_event_age,
            )


def _token(machine: Machine, name: str) -> str:
    token = machine.tokens[name]
    if token is None:
        raise OSError("no such file")
    return token
