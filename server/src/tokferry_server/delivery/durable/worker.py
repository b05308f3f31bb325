"""Takes events from the outbox to TikTok, for all connections, until it is stopped."""

import asyncio
import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Final

from tokferry_server.delivery.caps import RequestCaps
from tokferry_server.delivery.durable.clock import Clock
from tokferry_server.delivery.durable.connection import WorkerConnection
from tokferry_server.delivery.durable.consignment import Consignment, Errand
from tokferry_server.delivery.durable.describe import describe, next_look, waits
from tokferry_server.delivery.durable.journal import Journal
from tokferry_server.delivery.durable.lane import Admission, Lane
from tokferry_server.delivery.durable.lanes import Lanes
from tokferry_server.delivery.durable.pauses import PauseFolder, PauseWatch
from tokferry_server.delivery.durable.status import WorkerStatus
from tokferry_server.delivery.durable.store import Store
from tokferry_server.delivery.failpoints import failpoint
from tokferry_server.delivery.outbox.interface import Outbox, OutboxError, Row

_ROUND_UP_S: Final = 60.0
_LONGEST_LOOK_S: Final = 1.0
_AHEAD: Final = 2
"""While many rows wait, a connection with fewer requests in hand claims more."""

_in_drain = failpoint("delivery.in_drain")


class Worker:
    """Delivers what the outbox holds; call ``wake`` whenever something was put.

    ``connections`` may change while it runs. ``pool`` is the most requests at a time,
    of which one connection gets half. ``poll``: seconds between two looks at tokens
    and pauses that may have changed; ``nap``: the most between two looks at all.
    """

    def __init__(  # noqa: PLR0913  keyword-only settings
        self,
        *,
        outbox: Outbox,
        connections: Mapping[str, WorkerConnection],
        clock: Clock | None = None,
        pauses: PauseFolder | None = None,
        journal: Journal | None = None,
        pool: int = 64,
        poll: float = 1.0,
        nap: float = 30.0,
    ) -> None:
        self._outbox = outbox
        self._journal = journal or Journal()
        self._clock = clock or Clock()
        self._clock.reach(self._journal.floor(self._clock))
        self._pauses = pauses
        self._watch = PauseWatch(pauses, poll, self._clock.monotonic)
        self._pool = pool
        self._poll = poll
        self._longest_nap = nap
        self._tasks: dict[asyncio.Task[None], Lane] = {}
        self._claims: set[asyncio.Task[None]] = set()
        self._next_round_up = -math.inf
        self._stopping = False
        self._failure: Exception | None = None
        self._news = asyncio.Event()
        self._followed = asyncio.Event()
        self._ended: asyncio.Event | None = None
        store = Store(outbox, self._clock, lambda: self._stopping)
        caps = RequestCaps(self._clock.monotonic)
        self._lanes = Lanes(connections, outbox, store, self._clock, caps)
        self._errand = Errand(
            store=store,
            clock=self._clock,
            journal=self._journal,
            caps=caps,
            stopping=lambda: self._stopping,
        )

    async def run(self) -> None:
        """Deliver until ``stop`` is called, then finish what is under way.

        Raises:
            OutboxBrokenError: the state of the disk is unknown; the process must stop.
        """
        self._ended = asyncio.Event()
        try:
            self._clock.reach(await self._outbox.latest())
            while not self._stopping and self._failure is None:
                await self._look_around()
                while self._round():
                    pass
                await self._nap()
            if self._failure is None:
                await self._drain()
        finally:
            self._ended.set()
        if self._failure is not None:
            raise self._failure

    def wake(self, *connections: str) -> None:
        """Look for events that are due now: of these connections, or of all."""
        lanes = self._lanes.by_name
        for name in connections or lanes:
            if name in lanes:
                lanes[name].eager = True
        self._news.set()

    async def look(self) -> None:
        """Look at the pauses now; returns once they are followed."""
        self._watch.hurry()
        followed = self._followed
        self.wake()
        with contextlib.suppress(TimeoutError):  # it ends, or has not begun
            await asyncio.wait_for(followed.wait(), _LONGEST_LOOK_S)

    async def stop(self) -> None:
        """Finish what is under way and leave the rest pending."""
        self._stopping = True
        self._news.set()
        if self._ended is not None:
            await self._ended.wait()

    def status(self) -> WorkerStatus:
        """Say how every connection stands."""
        lanes = self._lanes.by_name.items()
        return WorkerStatus(
            connections={name: describe(lane, self._clock) for name, lane in lanes},
            unknown=dict(self._lanes.unknown),
        )

    async def _look_around(self) -> None:
        followed, self._followed = self._followed, asyncio.Event()
        self._watch.look()
        await self._lanes.follow(self._watch.paused, self._watch.resumed)
        followed.set()
        now = self._clock.now()
        for name, lane in self._lanes.by_name.items():
            self._journal.note(name, waits=waits(lane, self._clock), now=now)
        self._journal.keep(self._clock)
        if self._clock.monotonic() >= self._next_round_up:
            self._next_round_up = self._clock.monotonic() + _ROUND_UP_S
            await self._lanes.round_up()
            await self._lanes.bury()

    def _round(self) -> bool:
        """Give each connection in turn one request; say whether any was begun."""
        begun = False
        for lane in self._lanes.in_turn():
            admission = self._admit(lane)
            if admission is None:
                continue
            ahead = _AHEAD if lane.behind else 1
            if lane.eager and not lane.claiming and len(lane.chunks) < ahead:
                self._claim(lane)
            if lane.chunks:
                self._begin(lane, admission)
                begun = True
        return begun

    def _claim(self, lane: Lane) -> None:
        lane.claiming = True
        task = asyncio.create_task(self._fetch(lane))
        self._claims.add(task)
        task.add_done_callback(self._claims.discard)

    async def _fetch(self, lane: Lane) -> None:
        try:
            await self._lanes.claim(lane)
        except Exception as error:  # noqa: BLE001  run() raises it
            self._failure = error
        finally:
            lane.claiming = False
            self._news.set()

    def _admit(self, lane: Lane) -> Admission | None:
        if self._stopping or len(self._tasks) >= self._pool:
            return None
        return lane.admit(max(1, self._pool // 2))

    def _begin(self, lane: Lane, admission: Admission) -> None:
        rows = lane.chunks.popleft()
        if admission.most is not None and len(rows) > admission.most:
            lane.chunks.appendleft(rows[admission.most :])
            rows = rows[: admission.most]
        lane.begin(admission)
        self._lanes.served(lane)
        task = asyncio.create_task(self._deliver(lane, rows, admission))
        self._tasks[task] = lane
        task.add_done_callback(self._tasks.pop)

    async def _deliver(
        self, lane: Lane, rows: Sequence[Row], admission: Admission
    ) -> None:
        try:
            await Consignment(lane, rows, admission, self._errand).run()
        except Exception as error:  # noqa: BLE001  run() raises it
            if not (self._stopping and isinstance(error, OutboxError)):
                self._failure = error
        finally:
            lane.end(admission)
            self._news.set()

    async def _nap(self) -> None:
        if not self._stopping and not self._news.is_set():
            alarm = asyncio.create_task(self._ring())
            try:
                await self._news.wait()
            finally:
                alarm.cancel()
        self._news.clear()

    async def _ring(self) -> None:
        try:
            await self._clock.sleep(await self._until_next())
        except Exception as error:  # noqa: BLE001  run() raises it
            self._failure = error
        self.wake()

    async def _until_next(self) -> float:
        seconds = self._longest_nap
        due = await self._outbox.next_due()
        if due is not None:
            now = self._clock.now()
            seconds = self._poll if due <= now else min(seconds, due - now)
        if self._pauses is not None:
            seconds = min(seconds, self._poll)
        for lane in self._lanes.by_name.values():
            look = next_look(lane, self._clock, self._poll)
            seconds = seconds if look is None else min(seconds, look)
        return seconds

    async def _drain(self) -> None:
        _in_drain()
        while under_way := {*self._tasks, *self._claims}:
            await asyncio.wait(under_way)
        await self._lanes.bury()
        for lane in list(self._lanes.by_name.values()):
            await self._lanes.close(lane)
        self._journal.keep(self._clock)
