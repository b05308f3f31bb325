"""Puts rows: those of several calls together, each call all or none."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, NamedTuple

from tokferry_server.delivery.outbox.interface import (
    KNOWN_KEY_SECONDS,
    NewRow,
    OutboxFullError,
    Put,
    State,
)
from tokferry_server.delivery.outbox.sqlite.counts import Count
from tokferry_server.delivery.outbox.sqlite.rows import (
    KEY_BYTES,
    Common,
    Fresh,
    common,
    insert_fresh,
    mark_of,
)
from tokferry_server.delivery.outbox.sqlite.store import Store

_FIRST_COPIES: Final = """
SELECT id, 'pending', mark, NULL FROM pending
WHERE id IN (SELECT value FROM json_each(?1))
UNION ALL SELECT id, 'dead', mark, died FROM dead
WHERE id IN (SELECT value FROM json_each(?1))
UNION ALL SELECT id, 'delivered', mark, at FROM delivered
WHERE id IN (SELECT value FROM json_each(?1))
"""


class First(NamedTuple):
    """The first copy of a key."""

    id: int
    state: State
    mark: bytes


@dataclass(slots=True)
class _Accepted:
    """What all calls of one commit add, in groups of rows that share something."""

    created: float
    groups: list[tuple[Common, list[Fresh]]] = field(default_factory=list)
    keys: dict[bytes, int] = field(default_factory=dict)

    def add(self, shared: Common, rows: list[Fresh]) -> None:
        if self.groups and self.groups[-1][0] == shared:
            self.groups[-1][1].extend(rows)
        else:
            self.groups.append((shared, rows))


def put_all(
    store: Store, calls: Sequence[Sequence[NewRow]]
) -> list[list[Put] | OutboxFullError]:
    """Store the rows of several calls; a call that does not fit gets its error."""
    marks = [[mark_of(row) for row in rows] for rows in calls]
    firsts = first_copies(store, {mark[:KEY_BYTES] for call in marks for mark in call})
    accepted = _Accepted(store.clock())
    store.passed(accepted.created)
    results: list[list[Put] | OutboxFullError] = []
    for rows, call_marks in zip(calls, marks, strict=True):
        try:
            results.append(_put(store, rows, call_marks, firsts, accepted))
        except OutboxFullError as error:
            results.append(error)
    for shared, fresh in accepted.groups:
        insert_fresh(store.db, store.names, shared, accepted.created, fresh)
    if accepted.keys:
        written = store.keys.write_some(len(accepted.keys))
        store.afterwards.append(lambda: _remember(store, accepted, written))
    return results


def _put(
    store: Store,
    rows: Sequence[NewRow],
    marks: Sequence[bytes],
    firsts: dict[bytes, First],
    accepted: _Accepted,
) -> list[Put]:
    new: dict[bytes, tuple[NewRow, bytes]] = {}
    for row, mark in zip(rows, marks, strict=True):
        key = mark[:KEY_BYTES]
        if key not in firsts and key not in new:
            new[key] = row, mark
    if new:
        _accept(store, new, firsts, accepted)
    results = []
    for mark in marks:
        key = mark[:KEY_BYTES]
        first = firsts[key]
        if new.pop(key, None):
            results.append(Put(id=first.id, state=State.PENDING))
        else:
            changed = mark != first.mark
            results.append(
                Put(id=first.id, state=first.state, duplicate=True, changed=changed)
            )
    return results


def _accept(
    store: Store,
    new: dict[bytes, tuple[NewRow, bytes]],
    firsts: dict[bytes, First],
    accepted: _Accepted,
) -> None:
    """Give rows their ids, and count them, if they fit."""
    _check_caps(store, [row for row, _ in new.values()])
    ids = store.new_ids(len(new))
    fresh = [
        Fresh(id_, row, mark)
        for id_, (row, mark) in zip(ids, new.values(), strict=True)
    ]
    accepted.keys.update(zip(new, ids, strict=True))
    firsts.update(
        (key, First(one.id, State.PENDING, one.mark))
        for key, one in zip(new, fresh, strict=True)
    )
    changes: dict[int, Count] = {}
    for shared, group in groupby(fresh, common):
        some = list(group)
        count = changes.setdefault(store.names.connection(shared.connection), Count())
        count.rows += len(some)
        count.bytes += sum(len(one.row.body) for one in some)
        accepted.add(shared, some)
    store.counts.add(changes)


def first_copies(store: Store, keys: Collection[bytes]) -> dict[bytes, First]:
    """Give the first copies of those keys that are known within 48 hours.

    A row that waits is known for as long as it waits.
    """
    known = store.keys.find(keys)
    if not known:
        return {}
    since = store.clock() - KNOWN_KEY_SECONDS
    rows: dict[int, First] = {}
    ids = json.dumps(list(known.values()))
    for number, state, mark, at in store.db.execute(_FIRST_COPIES, (ids,)):
        if at is None or at > since:
            now = State.DELIVERED if number in store.unwritten else State(state)
            rows[number] = First(number, now, mark)
    return {key: rows[number] for key, number in known.items() if number in rows}


def _check_caps(store: Store, rows: Sequence[NewRow]) -> None:
    caps, total = store.caps, store.counts.total
    size = sum(len(row.body) for row in rows)
    if total.rows + len(rows) > caps.max_rows:
        raise OutboxFullError(
            f"the outbox holds {total.rows} rows of at most {caps.max_rows}: wait "
            "until more is delivered, or raise the cap"
        )
    if total.bytes + size > caps.max_bytes:
        raise OutboxFullError(
            f"the outbox holds {total.bytes} bytes of at most {caps.max_bytes}: wait "
            "until more is delivered, or raise the cap"
        )
    if caps.max_rows_per_connection is not None:
        _check_connections(store, rows, caps.max_rows_per_connection)
    store.space.check(size, store.reusable())


def _check_connections(store: Store, rows: Sequence[NewRow], most: int) -> None:
    more: dict[str, int] = {}
    for row in rows:
        more[row.connection] = more.get(row.connection, 0) + 1
    for name, number in more.items():
        known = store.names.find(name)
        held = 0 if known is None else store.counts.of(known).rows
        if held + number > most:
            raise OutboxFullError(
                f"the outbox holds {held} rows of connection {name!r}, of at most "
                f"{most}: wait until more is delivered, or raise the cap"
            )


def _remember(store: Store, accepted: _Accepted, written: int) -> None:
    store.keys.wrote(written)
    store.keys.add(accepted.keys)
    for shared, rows in accepted.groups:
        number = store.names.connection(shared.connection)
        store.claims.put_back(number, (accepted.created, rows[0].id))
        store.recent.keep(rows, accepted.created)
