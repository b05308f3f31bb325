"""Walks over the dead letters, a slice a turn, so that other calls get theirs."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

from tokferry_server.delivery.outbox.interface import (
    DeadFilter,
    DeadGroup,
    DeadRow,
    Replay,
)
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
        async for part in self._all(chosen, after):
            most = limit - len(found)
            if most <= 0:
                break
            work = partial(dead_letters.read, chosen=chosen, part=part, limit=most)
            found += await self._writer.submit(Kind.READ, work)
        return found

    async def count(self, chosen: DeadFilter) -> dict[str, int]:
        """Count by reason."""
        counts: Counter[str] = Counter()
        async for part in self._all(chosen):
            work = partial(dead_letters.count, chosen=chosen, part=part)
            counts.update(await self._writer.submit(Kind.READ, work))
        return dict(counts)

    async def groups(self, chosen: DeadFilter) -> list[DeadGroup]:
        """Count by connection, reason and code."""
        found: dict[tuple[str, str, int | None], DeadGroup] = {}
        async for part in self._all(chosen):
            work = partial(dead_letters.groups, chosen=chosen, part=part)
            for group in await self._writer.submit(Kind.READ, work):
                key = (group.connection, group.reason, group.code)
                known = found.get(key)
                found[key] = group if known is None else _sum(known, group)
        return list(found.values())

    async def purge(self, chosen: DeadFilter) -> int:
        """Delete; gives how many."""
        number = 0
        async for part in self._all(chosen):
            work = partial(dead_letters.purge, chosen=chosen, part=part)
            number += await self._writer.submit(Kind.WRITE, work)
        return number

    async def replay(
        self, chosen: DeadFilter, limit: int, order: ReplayOrder, after: int
    ) -> Replay:
        """Put up to ``limit`` behind an id back."""
        done = Replay(replayed=0, reached=after)
        async for part in self._all(chosen, after):
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
                reached=more.reached,
            )
        return done

    async def _all(self, chosen: DeadFilter, after: int = 0) -> AsyncIterator[Slice]:
        last = False
        after = max(after, min(chosen.ids, default=1) - 1)
        while not last:
            work = partial(dead_letters.next_slice, after=after)
            part = await self._writer.submit(Kind.READ, work)
            yield part
            after = part.until
            last = part.last or (bool(chosen.ids) and after >= max(chosen.ids))


def _sum(one: DeadGroup, other: DeadGroup) -> DeadGroup:
    return replace(
        one,
        count=one.count + other.count,
        bytes=one.bytes + other.bytes,
        oldest=min(one.oldest, other.oldest),
        newest=max(one.newest, other.newest),
    )
