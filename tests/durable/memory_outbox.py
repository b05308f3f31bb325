"""A reference outbox in memory: plain, slow, and easy to look into."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from tokferry_server.delivery.outbox.doubt import in_doubt_too_long
from tokferry_server.delivery.outbox.interface import (
    KNOWN_KEY_SECONDS,
    DeadFilter,
    DeadRow,
    Death,
    Labelled,
    NewRow,
    OutboxFullError,
    Put,
    Replay,
    Reschedule,
    Row,
    State,
    Stats,
)

Key = tuple[str, str, str]


async def _at_once(_name: str) -> None:
    """Take no time."""


def key_of(row: NewRow) -> Key:
    return (row.route.event_source_id, row.event, row.event_id)


@dataclass
class MemoryOutbox:
    """``gate`` is awaited before and after each write, with its name.

    ``wall`` stamps new rows, ``steady`` times the keys that are known.
    """

    wall: Callable[[], float]
    steady: Callable[[], float]
    gate: Callable[[str], Awaitable[None]] = _at_once
    max_dead: int = 10**9
    pending: dict[int, Row] = field(default_factory=dict)
    claimed: set[int] = field(default_factory=set)
    marks: dict[int, float] = field(default_factory=dict)
    dead_rows: dict[int, DeadRow] = field(default_factory=dict)
    delivered: dict[int, float] = field(default_factory=dict)
    known: dict[Key, tuple[int, bytes, float]] = field(default_factory=dict)
    next_id: int = 1

    def forget_claims(self) -> None:
        """Do what the end of the process does."""
        self.claimed.clear()
        for id_, at in self.marks.items():
            row = self.pending.get(id_)
            if row is not None and row.first_ambiguous_at is None:
                self.pending[id_] = replace(row, first_ambiguous_at=at)
        self.marks.clear()

    async def put(self, rows: Sequence[NewRow]) -> list[Put]:
        await self.gate("before put")
        puts = [self._put(row) for row in rows]
        await self.gate("after put")
        return puts

    def _put(self, row: NewRow) -> Put:
        now, key = self.wall(), key_of(row)
        steady = self.steady()
        id_, body, until = self.known.get(key, (0, b"", 0.0))
        waiting = id_ in self.pending or id_ in self.dead_rows
        if id_ and (waiting or steady < until):
            state = State.DEAD if id_ in self.dead_rows else State.DELIVERED
            return Put(
                id=id_,
                state=State.PENDING if id_ in self.pending else state,
                duplicate=True,
                changed=body != row.body,
            )
        id_, self.next_id = self.next_id, self.next_id + 1
        fields = {name: getattr(row, name) for name in NewRow.__struct_fields__}
        self.pending[id_] = Row(id=id_, created=now, next_at=now, **fields)
        self.known[key] = (id_, row.body, steady + KNOWN_KEY_SECONDS)
        return Put(id=id_, state=State.PENDING)

    async def claim(self, connection: str, limit: int, now: float) -> list[Row]:
        await self.gate("before claim")
        due = [
            row
            for row in self.pending.values()
            if row.connection == connection
            and row.next_at <= now
            and row.id not in self.claimed
        ]
        due.sort(key=lambda row: (row.next_at, row.id))
        self.claimed.update(row.id for row in due[:limit])
        return due[:limit]

    async def ready(self, now: float) -> dict[str, int]:
        return dict(
            Counter(
                row.connection
                for row in self.pending.values()
                if row.next_at <= now and row.id not in self.claimed
            )
        )

    async def next_due(self) -> float | None:
        return min(
            (
                row.next_at
                for row in self.pending.values()
                if row.id not in self.claimed
            ),
            default=None,
        )

    async def latest(self) -> float:
        return max((row.created for row in self.pending.values()), default=0.0)

    async def sending(self, ids: Sequence[int], at: float) -> None:
        await self.gate("before sending")
        assert self.claimed.issuperset(ids)
        self.marks.update(dict.fromkeys(ids, at))
        await self.gate("after sending")

    async def release(self, ids: Sequence[int]) -> None:
        assert self.claimed.issuperset(ids)
        assert self.marks.keys().isdisjoint(ids)
        self.claimed.difference_update(ids)

    async def settle(self, ids: Sequence[int], now: float) -> None:
        await self.gate("before settle")
        for id_ in ids:
            row = self._take(id_)
            self.delivered[id_] = now
            until = self.steady() + KNOWN_KEY_SECONDS
            self.known[key_of(row)] = (id_, row.body, until)
        await self.gate("after settle")

    async def reschedule(self, rows: Sequence[Reschedule]) -> None:
        await self.gate("before reschedule")
        for again in rows:
            row = self._take(again.id)
            assert again.attempts >= row.attempts
            assert again.waited >= 0
            if row.first_ambiguous_at is not None:
                assert again.first_ambiguous_at == row.first_ambiguous_at
            self.pending[again.id] = replace(
                row,
                next_at=again.next_at,
                attempts=again.attempts,
                first_ambiguous_at=again.first_ambiguous_at,
                waited=row.waited + again.waited,
                last_code=again.last_code,
            )
        await self.gate("after reschedule")

    async def kill(self, rows: Sequence[Death], now: float) -> None:
        await self.gate("before kill")
        if len(self.dead_rows) + len(rows) > self.max_dead:
            raise OutboxFullError("the dead letters are at their cap")
        for death in rows:
            row = self._take(death.id)
            fields = {name: getattr(row, name) for name in _ROW}
            since = row.first_ambiguous_at
            fields["first_ambiguous_at"] = (
                death.first_ambiguous_at if since is None else since
            )
            fields["attempts"] = death.attempts or row.attempts
            self.dead_rows[row.id] = DeadRow(
                **fields,
                died=now,
                reason=death.reason,
                ambiguous=fields["first_ambiguous_at"] is not None,
                code=death.code,
                message=death.message,
                field=death.field,
                request_id=death.request_id,
            )
        await self.gate("after kill")

    def _take(self, id_: int) -> Row:
        self.claimed.remove(id_)
        self.marks.pop(id_, None)
        return self.pending.pop(id_)

    async def dead(
        self, chosen: DeadFilter, *, limit: int, after: int = 0
    ) -> list[DeadRow]:
        del chosen
        return [row for id_, row in self.dead_rows.items() if id_ > after][:limit]

    async def count_dead(self, chosen: DeadFilter) -> dict[str, int]:
        del chosen
        return dict(Counter(row.reason for row in self.dead_rows.values()))

    async def replay(
        self,
        chosen: DeadFilter,
        *,
        now: float,
        limit: int,
        accept_double_count: bool = False,
        force: bool = False,
    ) -> Replay:
        del force
        replayed = refused = 0
        for row in [self.dead_rows[id_] for id_ in chosen.ids][:limit]:
            since = row.first_ambiguous_at
            if in_doubt_too_long(since, now) and not accept_double_count:
                refused += 1
                continue
            del self.dead_rows[row.id]
            fields = {name: getattr(row, name) for name in _ROW}
            if accept_double_count:
                fields["first_ambiguous_at"] = None
            self.pending[row.id] = Row(**{**fields, "next_at": now})
            replayed += 1
        return Replay(replayed=replayed, refused=refused)

    async def purge(self, chosen: DeadFilter) -> int:
        return sum(self.dead_rows.pop(id_, None) is not None for id_ in chosen.ids)

    async def labelled(self, label: str) -> Labelled:
        rows = [row for row in self.pending.values() if row.position.label == label]
        return Labelled(pending=len(rows))

    async def stats(self) -> dict[str, Stats]:
        counts = Counter(row.connection for row in self.pending.values())
        return {name: Stats(pending=count) for name, count in counts.items()}

    async def close(self) -> None:
        """Nothing is open."""


_ROW = Row.__struct_fields__
