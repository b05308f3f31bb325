"""Walks over the dead letters, a slice a turn, so that other calls get theirs."""

from collections import Counter
from collections.abc import AsyncIterator
from functools import partial

from tokferry_server.delivery.outbox.interface import DeadFilter, DeadRow, Replay
from tokferry_server.delivery.outbox.sqlite import dead_letters
from tokferry_server.delivery.outbox.sqlite.dead_letters import ReplayOrder, Slice
from tokferry_server.delivery.outbox.sqlite.task import Kind
from tokferry_server.delivery.outbox.sqlite.writer import Writer


class Slices:
    """The calls on dead letters, over all slices."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def read(self, chosen: DeadFilter, limit: int, after: int) -> list[DeadRow]:
        """Give up to ``limit`` chosen dead letters behind an id."""
        found: list[DeadRow] = []
        async for part in self._all(after):
            most = limit - len(found)
            if most <= 0:
                break
            work = partial(dead_letters.read, chosen=chosen, part=part, limit=most)
            found += await self._writer.submit(Kind.READ, work)
        return found

    async def count(self, chosen: DeadFilter) -> dict[str, int]:
        """Count by reason."""
        counts: Counter[str] = Counter()
        async for part in self._all(0):
            work = partial(dead_letters.count, chosen=chosen, part=part)
            counts.update(await self._writer.submit(Kind.READ, work))
        return dict(counts)

    async def purge(self, chosen: DeadFilter) -> int:
        """Delete; gives how many."""
        number = 0
        async for part in self._all(0):
            work = partial(dead_letters.purge, chosen=chosen, part=part)
            number += await self._writer.submit(Kind.WRITE, work)
        return number

    async def replay(
        self, chosen: DeadFilter, limit: int, order: ReplayOrder
    ) -> Replay:
        """Put up to ``limit`` back."""
        done = Replay(replayed=0)
        async for part in self._all(0):
            most = limit - done.replayed
            if most <= 0:
                break
            work = partial(
                dead_letters.replay, chosen=chosen, part=part, limit=most, order=order
            )
            more = await self._writer.submit(Kind.WRITE, work)
            done = Replay(
                replayed=done.replayed + more.replayed,
                refused=done.refused + more.refused,
                exhausted=done.exhausted + more.exhausted,
            )
        return done

    async def _all(self, after: int) -> AsyncIterator[Slice]:
        last = False
        while not last:
            work = partial(dead_letters.next_slice, after=after)
            part = await self._writer.submit(Kind.READ, work)
            yield part
            after, last = part.until, part.last
