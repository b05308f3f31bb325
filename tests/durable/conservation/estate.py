"""Random requests through Dispatch, SYNC and DURABLE, against a TikTok that fails.

Whatever comes in is counted at each place where it comes by, and all must agree.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from durable.conservation.batches import batch
from durable.conservation.sink import Sink
from durable.memory_outbox import MemoryOutbox, key_of
from tokferry.v1 import DeliveryMode, EventResult, ForwardResponse, ForwardTotals
from tokferry.v1 import Outcome as Kind
from tokferry_server.delivery.durable import Clock, Worker, WorkerConnection
from tokferry_server.delivery.forward import Forwarder
from tokferry_server.delivery.outbox.interface import NewRow, OutboxFullError, Put
from tokferry_server.delivery.pace import AppPace, PacedPoster, Throttle, TokenBucket
from tokferry_server.mparticle.read_json import read_json
from tokferry_server.rpc import forwarding
from tokferry_server.rpc.connections import Connections
from tokferry_server.rpc.dispatch import Dispatch, Errand
from tokferry_server.rpc.errors import CallError
from tokferry_server.settings import settings_from_mapping

START = 1_795_003_200.0
PIXEL = "C4MADEUPPIXEL0000001"
_SETTINGS = {
    "connections": {
        "shop": {
            "pixel_id": PIXEL,
            "access_token": {"env": "MADE_UP"},
            "custom_mappings": [
                {"name": "one", "match": {"action": "purchase"}, "event": "Purchase"},
                {"name": "two", "match": {"action": "purchase"}, "event": "Sold"},
            ],
        }
    }
}
_KINDS = [
    name.removeprefix("OUTCOME_").lower() for name in Kind.DESCRIPTOR.values_by_name
][1:]


class FullOutbox(MemoryOutbox):
    """Refuses while it is told to; counts what it refused and took."""

    refuses: bool = False

    async def put(self, rows: Any) -> list[Put]:
        if self.refuses:
            raise OutboxFullError("full")
        return await super().put(list[NewRow](rows))


@dataclass
class Estate:
    """Everything that a call goes through, in virtual time."""

    seed: int
    problems: list[str] = field(default_factory=list)
    replies: Counter[str] = field(default_factory=Counter)
    sums: ForwardTotals = field(default_factory=ForwardTotals)
    events: int = 0
    refused: int = 0
    stored: int = 0
    asked: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.random = Random(self.seed)
        self.sink = Sink(Random(self.seed + 1))
        self.outbox = FullOutbox(self.wall, self.wall)
        pace = AppPace(
            bucket=TokenBucket(1000, clock=loop.time),
            throttle=Throttle(clock=loop.time, wall=self.wall),
        )
        settings = settings_from_mapping(_SETTINGS).connections
        forwarder = Forwarder(
            PacedPoster(self.sink, pace), clock=loop.time, random=self.random.random
        )
        self.worker = Worker(
            outbox=self.outbox,
            connections={
                "shop": WorkerConnection(
                    poster=self.sink, token=lambda: "made-up", pace=pace
                )
            },
            clock=Clock(monotonic=loop.time, wall=self.wall, random=self.random.random),
        )
        self.dispatch = Dispatch(
            connections=Connections(settings, {"shop": forwarder}),
            outbox=self.outbox,
            stored=self.worker.wake,
            clock=self.wall,
        )

    def wall(self) -> float:
        return START + asyncio.get_running_loop().time()

    async def call(self, number: int) -> None:
        """Make one request, and hold its reply against what is known otherwise."""
        if self.random.random() < 0.05:
            number = self.random.randrange(number + 1)
        self.asked[number] += 1
        text, count = batch(number, self.wall())
        mode = self.random.choice(
            (DeliveryMode.DELIVERY_MODE_SYNC, DeliveryMode.DELIVERY_MODE_DURABLE)
        )
        errand = Errand(
            connection="shop", mode=mode, validate_only=self.random.random() < 0.05
        )
        deadline = asyncio.get_running_loop().time() + self.random.choice((2.0, 30.0))
        before = self.outbox.next_id
        reply = ForwardResponse()
        try:
            await self.dispatch.run(read_json(text), errand, reply, deadline=deadline)
        except CallError:
            self.refused += 1
            return
        durable = mode == DeliveryMode.DELIVERY_MODE_DURABLE
        if durable and not errand.validate_only:
            self._note_stored(reply, self.outbox.next_id - before)
        self._note(number, reply, count)

    def _note(self, number: int, reply: ForwardResponse, count: int) -> None:
        totals = reply.totals
        forwarding.add_totals(self.sums, totals)
        by_kind = Counter(Kind.Name(one.outcome)[8:].lower() for one in reply.results)
        self.replies.update(by_kind)
        self.events += count
        told = {name: getattr(totals, name) for name in _KINDS}
        if totals.received != count or sum(told.values()) != count:
            self.problems.append(f"{totals.received} of {count} received: {told}")
        if Counter({name: n for name, n in told.items() if n}) != by_kind:
            self.problems.append(f"told {told}, listed {by_kind}")
        for result in reply.results:
            self._check(result, again=self.asked[number] > 1)

    def _check(self, result: EventResult, *, again: bool) -> None:
        for one in result.deliveries:
            key = f"{one.event} {one.event_id}"
            taken = self.sink.taken[key]
            if one.outcome == Kind.OUTCOME_DELIVERED and not taken:
                self.problems.append(f"{key} counts as delivered")
            if one.outcome == Kind.OUTCOME_REJECTED and taken:
                self.problems.append(f"{key} counts as rejected")
            if one.outcome == Kind.OUTCOME_RETRYABLE and taken and not again:
                self.problems.append(f"{key} counts as certainly not taken")

    def _note_stored(self, reply: ForwardResponse, new: int) -> None:
        deliveries = [one for result in reply.results for one in result.deliveries]
        fresh = sum(not one.duplicate for one in deliveries)
        self.stored += fresh
        if fresh != new:
            self.problems.append(f"{fresh} accepted, {new} stored")

    def close(self) -> None:
        """Hold the sums of all against each other."""
        outbox, sink = self.outbox, self.sink
        counts = self.worker.status().connections["shop"].counts
        delivered, dead = len(outbox.delivered), len(outbox.dead_rows)
        told = {name: getattr(self.sums, name) for name in _KINDS}
        equal = {
            "replies": (self.events, self.sums.received, sum(told.values())),
            "kinds": (told, {name: self.replies[name] for name in _KINDS}),
            "store": (self.stored, delivered + dead + len(outbox.pending)),
            "worker": (
                counts.received,
                counts.delivered + counts.dead + counts.retried + counts.released,
            ),
            "settled": ((counts.delivered, counts.dead), (delivered, dead)),
        }
        for name, (one, *others) in equal.items():
            if any(other != one for other in others):
                self.problems.append(f"{name}: {one} against {others}")
        for row in outbox.known:
            if outbox.known[row][0] in outbox.delivered:
                key = f"{row[1]} {row[2]}"
                if not sink.taken[key]:
                    self.problems.append(f"{key} is settled, and TikTok lacks it")
        for dead_row in outbox.dead_rows.values():
            key = " ".join(key_of(dead_row)[1:])
            if sink.taken[key] and not dead_row.ambiguous:
                self.problems.append(f"{key} is dead for certain, and TikTok has it")
