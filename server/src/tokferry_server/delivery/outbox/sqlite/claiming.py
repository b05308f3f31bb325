"""Claims rows that are due, and tells which connections have any."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tokferry_server.delivery.outbox.interface import Row
from tokferry_server.delivery.outbox.sqlite.claims import Claim
from tokferry_server.delivery.outbox.sqlite.rows import (
    READ_PENDING,
    has_types,
    mark_of,
    read_row,
)
from tokferry_server.delivery.outbox.sqlite.store import Store

MOST_COUNTED: Final = 10_000
"""``ready`` stops counting here: it is asked often, and may not take long."""

# Rows behind a place: first those due at its very time, then those due later. As one
# comparison of (next_at, id) SQLite would walk over all rows of that time again.
_SAME: Final = "connection = ?1 AND next_at = ?2 AND id > ?3 AND ?2 <= ?4"
_LATER: Final = "connection = ?1 AND next_at > ?2 AND ?3 = ?3 AND next_at <= ?4"
_ORDER: Final = "ORDER BY next_at, id LIMIT ?5"
_FROM: Final = "FROM pending INDEXED BY pending_ready WHERE"
_PLACES: Final = tuple(
    f"SELECT next_at, id, size {_FROM} {part} {_ORDER}" for part in (_SAME, _LATER)
)
_COUNTS: Final = tuple(
    f"SELECT count(*) FROM (SELECT 1 {_FROM} {part} LIMIT ?5)"  # noqa: S608
    for part in (_SAME, _LATER)
)
_READ: Final = f"""
SELECT {READ_PENDING}, mark FROM pending WHERE id IN (SELECT value FROM json_each(?))
"""  # noqa: S608


@dataclass(slots=True)
class Claimed:
    """Rows that are claimed; ``damaged`` are the ids of those not to be sent."""

    rows: list[Row] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)


def _walk(
    store: Store, queries: Sequence[str], number: int, now: float, most: int
) -> list[Any]:
    """Give up to ``most`` rows behind the mark of a connection, in their order."""
    place = store.claims.mark(number)
    rows: list[Any] = []
    for query in queries:
        values = (number, *place, now, most - len(rows))
        rows += store.db.execute(query, values).fetchall()
    return rows


def claim(store: Store, name: str, limit: int, now: float) -> Claimed:
    """Claim up to ``limit`` due rows of a connection, in the order they are due."""
    store.passed(now)
    number = store.names.find(name)
    found = Claimed()
    if number is None:
        return found
    claims = store.claims
    most = max(0, limit) + len(claims.beyond(number))
    chosen: dict[int, Claim] = {}
    place = claims.mark(number)
    for next_at, id_, size in _walk(store, _PLACES, number, now, most):
        if len(chosen) >= limit:
            break
        if id_ not in claims.taken:
            chosen[id_] = Claim(number, next_at, size)
        place = (next_at, id_)
    _fetch(store, chosen, found)  # it may fail, and be called again
    claims.take(number, chosen)
    claims.walked(number, place)
    return found


def _fetch(store: Store, ids: Iterable[int], found: Claimed) -> None:
    """Find the rows in memory or in the file, in the order of ``ids``."""
    rows = {number: store.recent.take(number) for number in ids}
    asked = [number for number, row in rows.items() if row is None]
    if asked:
        for *values, mark in store.db.execute(_READ, (json.dumps(asked),)):
            rows[values[0]] = _checked(store, values, mark)
    for number, row in rows.items():
        if row is None:
            found.damaged.append(number)
        else:
            found.rows.append(row)


def _checked(store: Store, values: Sequence[Any], mark: object) -> Row | None:
    """Give a row if it is what was put: disks do change bytes."""
    names = store.names
    if not has_types(values) or not names.has_connection(values[1]):
        return None
    row = read_row(values, names)
    return row if mark_of(row) == mark else None


def ready(store: Store, now: float) -> dict[str, int]:
    """Count due unclaimed rows per connection, up to ``MOST_COUNTED`` each."""
    store.passed(now)
    found: dict[str, int] = {}
    claims = store.claims
    for number, count in store.counts.by_connection.items():
        if count.rows <= claims.count(number):
            continue
        skipped = sum(1 for one in claims.beyond(number) if one.next_at <= now)
        most = MOST_COUNTED + skipped
        due = sum(row[0] for row in _walk(store, _COUNTS, number, now, most))
        if due > skipped:
            ready_now = min(due - skipped, MOST_COUNTED)
            found[store.names.connection_name(number)] = ready_now
    return found


def next_due(store: Store) -> float | None:
    """Give the earliest time at which an unclaimed row is due."""
    times: list[float] = []
    claims = store.claims
    for number, count in store.counts.by_connection.items():
        if count.rows <= claims.count(number):
            continue
        most = 1 + len(claims.beyond(number))
        rows = _walk(store, _PLACES, number, math.inf, most)
        times.extend(at for at, id_, _ in rows if id_ not in claims.taken)
    return min(times, default=None)


def release(store: Store, ids: Sequence[int]) -> None:
    """Give claimed rows back as they are."""
    for number in ids:
        claim = store.claims.taken.get(number)
        if claim is not None:
            store.claims.drop([number])
            store.claims.put_back(claim.connection, (claim.next_at, number))
