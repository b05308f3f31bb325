"""A tiny outbox in memory: the model that every engine is compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from tokferry_server.delivery.outbox.doubt import in_doubt_too_long
from tokferry_server.delivery.outbox.interface import (
    KNOWN_KEY_SECONDS,
    Caps,
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

DEAD_SECONDS = 30 * 86_400.0

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Delivered:
    id: int
    at: float
    row: NewRow


def key_of(row: NewRow) -> Key:
    return (row.route.event_source_id, row.event, row.event_id)


class ReferenceOutbox:
    """Keeps everything in dictionaries; `restart` does what a crash does."""

    def __init__(self, caps: Caps, clock: Callable[[], float]) -> None:
        self.caps = caps
        self.clock = clock
        self.pending: dict[int, Row] = {}
        self.replays: dict[int, int] = {}
        self.graves: dict[int, DeadRow] = {}
        self.delivered: dict[int, Delivered] = {}
        self.known: dict[Key, int] = {}
        self.claimed: set[int] = set()
        self.on_their_way: dict[int, float] = {}
        self.next_id = 1
        self.last = 0.0

    def restart(self) -> None:
        self.claimed.clear()
        for number, at in self.on_their_way.items():
            row = self.pending[number]
            before = row.first_ambiguous_at
            ambiguous = at if before is None else min(at, before)
            self.pending[number] = replace(row, first_ambiguous_at=ambiguous)
        self.on_their_way.clear()

    async def latest(self) -> float:
        return self.last

    async def sending(self, ids: Sequence[int], at: float) -> None:
        for number in ids:
            if number in self.pending:
                self.on_their_way.setdefault(number, at)

    async def release(self, ids: Sequence[int]) -> None:
        self.claimed.difference_update(ids)

    async def put(self, rows: Sequence[NewRow]) -> list[Put]:
        fresh: dict[Key, NewRow] = {}
        for row in rows:
            if self._first(key_of(row)) is None:
                fresh.setdefault(key_of(row), row)
        self._check_caps(list(fresh.values()))
        results = []
        for row in rows:
            first = self._first(key_of(row))
            if first is not None:
                number, state, body = first
                results.append(
                    Put(
                        id=number, state=state, duplicate=True, changed=body != row.body
                    )
                )
                continue
            number = self.next_id
            self.next_id += 1
            values = {name: getattr(row, name) for name in NewRow.__struct_fields__}
            now = self.clock()
            self.last = max(self.last, now)
            self.pending[number] = Row(id=number, created=now, next_at=now, **values)
            self.known[key_of(row)] = number
            results.append(Put(id=number, state=State.PENDING))
        return results

    def _first(self, key: Key) -> tuple[int, State, bytes] | None:
        number = self.known.get(key, 0)
        since = self.clock() - KNOWN_KEY_SECONDS
        if number in self.pending:
            return number, State.PENDING, self.pending[number].body
        if number in self.graves and self.graves[number].died > since:
            return number, State.DEAD, self.graves[number].body
        if number in self.delivered and self.delivered[number].at > since:
            return number, State.DELIVERED, self.delivered[number].row.body
        return None

    def _check_caps(self, rows: list[NewRow]) -> None:
        if not rows:
            return
        size = sum(len(row.body) for row in [*rows, *self.pending.values()])
        each = Counter(row.connection for row in self.pending.values())
        more = Counter(row.connection for row in rows)
        most = self.caps.max_rows_per_connection
        if (
            len(rows) + len(self.pending) > self.caps.max_rows
            or size > self.caps.max_bytes
            or (most is not None and any(each[c] + more[c] > most for c in more))
        ):
            raise OutboxFullError("full")

    def _due(self, connection: str) -> list[Row]:
        rows = (row for row in self.pending.values() if row.id not in self.claimed)
        mine = [row for row in rows if row.connection == connection]
        return sorted(mine, key=lambda row: (row.next_at, row.id))

    async def claim(self, connection: str, limit: int, now: float) -> list[Row]:
        self.last = max(self.last, now)
        rows = [row for row in self._due(connection) if row.next_at <= now][:limit]
        self.claimed.update(row.id for row in rows)
        return rows

    async def ready(self, now: float) -> dict[str, int]:
        return dict(
            Counter(
                row.connection
                for row in self.pending.values()
                if row.id not in self.claimed and row.next_at <= now
            )
        )

    async def next_due(self) -> float | None:
        rows = self.pending.values()
        return min((r.next_at for r in rows if r.id not in self.claimed), default=None)

    async def settle(self, ids: Sequence[int], now: float) -> None:
        for number in ids:
            self.on_their_way.pop(number, None)
            row = self.pending.pop(number, None)
            if row is not None:
                self.delivered[number] = Delivered(number, now, row)
        self.claimed.difference_update(ids)
        self._forget()

    def _forget(self) -> None:
        since = self.clock() - KNOWN_KEY_SECONDS
        order = sorted(self.delivered.values(), key=lambda one: (one.at, one.id))
        excess = len(order) - self.caps.max_known_keys
        for place, one in enumerate(order):
            if place < excess or one.at <= since:
                del self.delivered[one.id]

    async def reschedule(self, rows: Sequence[Reschedule]) -> None:
        for change in rows:
            self.claimed.discard(change.id)
            self.on_their_way.pop(change.id, None)
            row = self.pending.get(change.id)
            if row is not None:
                ambiguous = row.first_ambiguous_at
                if ambiguous is None:
                    ambiguous = change.first_ambiguous_at
                self.pending[row.id] = replace(
                    row,
                    next_at=max(change.next_at, row.created),
                    attempts=change.attempts,
                    first_ambiguous_at=ambiguous,
                    waited=row.waited + change.waited,
                    last_code=change.last_code,
                )

    async def kill(self, rows: Sequence[Death], now: float) -> None:
        chosen = {death.id: death for death in rows if death.id in self.pending}
        size = sum(len(self.pending[number].body) for number in chosen)
        held = sum(len(row.body) for row in self.graves.values())
        if chosen and (
            len(chosen) + len(self.graves) > self.caps.max_dead
            or size + held > self.caps.max_dead_bytes
        ):
            raise OutboxFullError("full")
        for number, death in chosen.items():
            self.on_their_way.pop(number, None)
            self.graves[number] = self._bury(self.pending.pop(number), death, now)
        self.claimed.difference_update(chosen)

    def _bury(self, row: Row, death: Death, now: float) -> DeadRow:
        values = {name: getattr(row, name) for name in Row.__struct_fields__}
        if row.first_ambiguous_at is None:
            values["first_ambiguous_at"] = death.first_ambiguous_at
        if death.attempts is not None:
            values["attempts"] = death.attempts
        if death.code is not None:
            values["last_code"] = death.code
        return DeadRow(
            **values,
            died=now,
            reason=death.reason,
            ambiguous=values["first_ambiguous_at"] is not None,
            code=death.code,
            message=death.message[:256],
            field=death.field,
            request_id=death.request_id,
            replays=self.replays.get(row.id, 0),
        )

    def _chosen(self, chosen: DeadFilter) -> list[DeadRow]:
        return [
            row
            for _, row in sorted(self.graves.items())
            if (not chosen.ids or row.id in chosen.ids)
            and chosen.connection in (None, row.connection)
            and chosen.reason in (None, row.reason)
            and chosen.code in (None, row.code)
            and chosen.label in (None, row.position.label)
            and (chosen.since is None or row.died >= chosen.since)
            and (chosen.until is None or row.died < chosen.until)
        ]

    async def dead(
        self, chosen: DeadFilter, *, limit: int, after: int = 0
    ) -> list[DeadRow]:
        return [row for row in self._chosen(chosen) if row.id > after][:limit]

    async def count_dead(self, chosen: DeadFilter) -> dict[str, int]:
        return dict(Counter(row.reason for row in self._chosen(chosen)))

    async def replay(
        self,
        chosen: DeadFilter,
        *,
        now: float,
        limit: int,
        accept_double_count: bool = False,
        force: bool = False,
    ) -> Replay:
        back: list[DeadRow] = []
        refused = exhausted = 0
        for row in self._chosen(chosen):
            if len(back) >= limit:
                break
            if self._risky(row, now) and not accept_double_count:
                refused += 1
            elif row.replays >= 3 and not force:
                exhausted += 1
            else:
                back.append(row)
        for row in back:
            self._revive(row, now, certain=accept_double_count)
        return Replay(replayed=len(back), refused=refused, exhausted=exhausted)

    def _risky(self, row: DeadRow, now: float) -> bool:
        first = self._first(key_of(row))
        late = in_doubt_too_long(row.first_ambiguous_at, now)
        return late or (first is not None and first[0] != row.id)

    def _revive(self, row: DeadRow, now: float, *, certain: bool) -> None:
        values = {name: getattr(row, name) for name in Row.__struct_fields__}
        if certain:
            values["first_ambiguous_at"] = None
        values["next_at"] = max(now, row.created)
        values["attempts"] = 0
        values["waited"] = max(0.0, now - row.created)
        self.pending[row.id] = Row(**values)
        self.replays[row.id] = row.replays + 1
        self.known[key_of(row)] = row.id
        del self.graves[row.id]

    async def purge(self, chosen: DeadFilter) -> int:
        rows = self._chosen(chosen)
        for row in rows:
            del self.graves[row.id]
        return len(rows)

    async def labelled(self, label: str) -> Labelled:
        rows = [r for r in self.pending.values() if label and r.position.label == label]
        dead = [r for r in self.graves.values() if label and r.position.label == label]
        reasons = dict(Counter(row.reason for row in dead))
        return Labelled(pending=len(rows), dead=len(dead), by_reason=reasons)

    async def stats(self) -> dict[str, Stats]:
        rows = [*self.pending.values(), *self.graves.values()]
        names = {row.connection for row in rows}
        names |= {one.row.connection for one in self.delivered.values()}
        found = {}
        for name in names:
            mine = [row for row in self.pending.values() if row.connection == name]
            kept = self.delivered.values()
            found[name] = Stats(
                pending=len(mine),
                pending_bytes=sum(len(row.body) for row in mine),
                oldest_created=min((row.created for row in mine), default=None),
                dead=sum(row.connection == name for row in self.graves.values()),
                delivered_known=sum(one.row.connection == name for one in kept),
            )
        return found

    async def prune(self) -> None:
        self._forget()
        since = self.clock() - DEAD_SECONDS
        for number in [n for n, row in self.graves.items() if row.died <= since]:
            del self.graves[number]

    async def close(self) -> None:
        """Nothing is kept anywhere."""
