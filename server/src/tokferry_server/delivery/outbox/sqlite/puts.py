"""Puts rows: those of several calls together, each call all or none."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tokferry_server.delivery.outbox.interface import (
    KNOWN_KEY_SECONDS,
    NewRow,
    OutboxFullError,
    Put,
    State,
)
from tokferry_server.delivery.outbox.sqlite.claims import Place
from tokferry_server.delivery.outbox.sqlite.counts import Count
from tokferry_server.delivery.outbox.sqlite.rows import (
    KEY_BYTES,
    insert_pending,
    mark_of,
    new_values,
)
from tokferry_server.delivery.outbox.sqlite.store import Store

_NEVER: Final[Place] = (float("inf"), 0)

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
    """What all calls of one commit add."""

    values: list[tuple[Any, ...]] = field(default_factory=list)
    keys: dict[bytes, int] = field(default_factory=dict)


def put_all(
    store: Store, calls: Sequence[Sequence[NewRow]]
) -> list[list[Put] | OutboxFullError]:
    """Store the rows of several calls; a call that does not fit gets its error."""
    marks = [[mark_of(row) for row in rows] for rows in calls]
    keys = {mark[:KEY_BYTES] for call in marks for mark in call}
    firsts = first_copies(store, list(keys))
    accepted = _Accepted()
    results: list[list[Put] | OutboxFullError] = []
    for rows, call_marks in zip(calls, marks, strict=True):
        try:
            results.append(_put(store, rows, call_marks, firsts, accepted))
        except OutboxFullError as error:
            results.append(error)
    if accepted.values:
        insert_pending(store.db, accepted.values)
        written = store.keys.write_some(len(accepted.values))
        store.afterwards.append(lambda: _remember(store, accepted, written))
    return results


def _put(
    store: Store,
    rows: Sequence[NewRow],
    marks: Sequence[bytes],
    firsts: dict[bytes, First],
    accepted: _Accepted,
) -> list[Put]:
    fresh: dict[bytes, NewRow] = {}
    for row, mark in zip(rows, marks, strict=True):
        if mark[:KEY_BYTES] not in firsts:
            fresh.setdefault(mark[:KEY_BYTES], row)
    if fresh:
        _check_caps(store, list(fresh.values()))
    ids = iter(store.new_ids(len(fresh)) if fresh else ())
    created = store.clock()
    store.passed(created)
    changes: dict[int, Count] = {}
    results = []
    for row, mark in zip(rows, marks, strict=True):
        key = mark[:KEY_BYTES]
        first = firsts.get(key)
        if first is None:
            first = First(next(ids), State.PENDING, mark)
            firsts[key] = first
            accepted.keys[key] = first.id
            values = new_values(row, first.id, store.names, created, mark)
            accepted.values.append(values)
            added = changes.setdefault(values[1], Count())
            added.rows += 1
            added.bytes += len(row.body)
            results.append(Put(id=first.id, state=State.PENDING))
        else:
            changed = mark != first.mark
            results.append(
                Put(id=first.id, state=first.state, duplicate=True, changed=changed)
            )
    store.counts.add(changes)
    return results


def first_copies(store: Store, keys: Sequence[bytes]) -> dict[bytes, First]:
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
    lowest: dict[int, Place] = {}
    for values in accepted.values:
        place = (values[11], values[0])
        if place < lowest.get(values[1], _NEVER):
            lowest[values[1]] = place
    for connection, place in lowest.items():
        store.claims.put_back(connection, place)
