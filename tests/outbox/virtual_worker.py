"""A real worker and a real outbox in virtual time, under a clock that can be set."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tokferry_server.delivery.durable import Clock, Journal, Worker, WorkerConnection
from tokferry_server.delivery.outbox.interface import (
    DeadFilter,
    DeadRow,
    NewRow,
    Put,
)
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox
from tokferry_server.delivery.pace import AppPace, Throttle, TokenBucket
from tokferry_server.tiktok.answer import Answer, Failure

START = 1_795_000_000.0
HOUR = 3600.0
WINDOW = 48 * HOUR
_PATIENCE_S = 20.0

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Jumps over the time in which nothing happens; waits for the outbox's thread."""

    now = 0.0
    asked = 0

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        if self.asked:
            found = super().select(_PATIENCE_S)
            assert found, "the outbox does not answer"
            return found
        assert timeout is not None, "everything waits, and nothing can ever happen"
        self.now += timeout
        return []


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.virtual = _Selector()
        super().__init__(self.virtual)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.virtual.now


def run(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work)


def _virtual() -> _Selector:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _Loop)
    return loop.virtual


class Asked:
    """Holds the virtual time still while the outbox works."""

    def __init__(self, box: SqliteOutbox) -> None:
        self._box = box

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._box, name)

        async def ask(*given: Any, **named: Any) -> Any:
            with _still():
                return await method(*given, **named)

        return ask


class _still:  # noqa: N801
    def __enter__(self) -> None:
        _virtual().asked += 1

    def __exit__(self, *_: object) -> None:
        _virtual().asked -= 1


@dataclass
class TikTok:
    """Takes events, and knows them for 48 hours of true time.

    ``mood``: "well", "refuses" the connection, or "takes" them and tells nobody.
    """

    mood: str = "well"
    first: dict[str, float] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    sent: list[tuple[float, list[str]]] = field(default_factory=list)

    async def post(self, path: str, token: str, body: bytes, **_: object) -> Answer:
        del path, token
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(0.05)
        if self.mood == "refuses":
            return Answer(failure=Failure.CONNECT)
        ids = [one["n"] for one in msgspec.json.decode(body)["data"]]
        self.sent.append((now, ids))
        for one in ids:
            if now - self.first.get(one, -WINDOW) >= WINDOW:
                self.first[one] = now
                self.counted[one] = self.counted.get(one, 0) + 1
        if self.mood == "takes":
            return Answer(failure=Failure.RESET)
        return Answer(http_status=200, code=0)

    def latest_copy(self) -> float:
        """Give the longest time after which an event came again, in seconds."""
        times = [(now - self.first[one]) for now, ids in self.sent for one in ids]
        return max(times, default=0.0)


class Machine:
    """A process with its outbox; ``offset`` is how wrong its clock is, in seconds."""

    def __init__(self, folder: Path, tiktok: TikTok) -> None:
        self.folder = folder
        self.tiktok = tiktok
        self.offset = 0.0
        self._virtual = _virtual()

    @property
    def now(self) -> float:
        """Give the true time, in seconds since the start."""
        return self._virtual.now

    def wall(self) -> float:
        return START + self.now + self.offset

    async def begin(self) -> None:
        loop = asyncio.get_running_loop()
        journal = Journal(self.folder / "journal.json")
        with _still():
            box = await SqliteOutbox.open(self.folder / "box", clock=self.wall)
        self.box: Any = Asked(box)
        pace = AppPace(
            bucket=TokenBucket(1e9, clock=loop.time),
            throttle=Throttle(clock=loop.time, wall=self.wall),
        )
        connection = WorkerConnection(
            poster=self.tiktok,
            token=lambda: "a-made-up-token",
            pace=pace,
            concurrency=4,
            max_event_age=None,
        )
        begun = loop.time()
        self.worker = Worker(
            outbox=self.box,
            connections={"shop": connection},
            clock=Clock(
                monotonic=lambda: loop.time() - begun,
                wall=self.wall,
                random=lambda: 0.99,
            ),
            journal=journal,
            poll=600.0,
            nap=3600.0,
        )
        self.running = loop.create_task(self.worker.run())

    async def end(self) -> None:
        await self.worker.stop()
        await self.running
        await self.box.close()

    async def crash(self) -> None:
        """End without a word, as a kill does; the outbox keeps what it was told."""
        self.running.cancel()
        await asyncio.wait([self.running])
        while self.worker._tasks:
            await asyncio.wait(self.worker._tasks)
        await self.box.close()

    async def put(self, *new: NewRow) -> list[Put]:
        puts: list[Put] = await self.box.put(new)
        self.worker.wake("shop")
        return puts

    async def until(self, at: float) -> None:
        """Let time pass until so many true seconds after the start."""
        await asyncio.sleep(max(0.0, at - self.now))

    async def pending(self) -> int:
        stats = await self.box.stats()
        return int(stats["shop"].pending) if "shop" in stats else 0

    async def dead(self) -> dict[str, str]:
        """Give the reasons of the dead letters by event id."""
        rows: list[DeadRow] = await self.box.dead(DeadFilter(), limit=99)
        return {one.event_id: one.reason for one in rows}
