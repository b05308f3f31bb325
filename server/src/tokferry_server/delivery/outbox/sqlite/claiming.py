"""Claims rows that are due, and tells which connections have any."""

from collections.abc import Sequence
from typing import Final

from tokferry_server.delivery.outbox.interface import Row
from tokferry_server.delivery.outbox.sqlite.claims import Claim
from tokferry_server.delivery.outbox.sqlite.rows import READ_PENDING, read_row
from tokferry_server.delivery.outbox.sqlite.store import Store

MOST_COUNTED: Final = 10_000
"""``ready`` stops counting here: it is asked often, and may not take long."""

_BEHIND: Final = "connection = ? AND (next_at, id) > (?, ?)"
_CLAIM: Final = f"""
SELECT {READ_PENDING}, size FROM pending INDEXED BY pending_ready
WHERE {_BEHIND} AND next_at <= ? ORDER BY next_at, id LIMIT ?
"""  # noqa: S608
_READY: Final = f"""
SELECT count(*) FROM (
  SELECT 1 FROM pending INDEXED BY pending_ready
  WHERE {_BEHIND} AND next_at <= ? LIMIT ?
)
"""  # noqa: S608
_NEXT: Final = f"""
SELECT next_at, id FROM pending INDEXED BY pending_ready
WHERE {_BEHIND} ORDER BY next_at, id LIMIT ?
"""  # noqa: S608


def claim(store: Store, name: str, limit: int, now: float) -> list[Row]:
    """Claim up to ``limit`` due rows of a connection, in the order they are due."""
    number = store.names.find(name)
    if number is None:
        return []
    claims = store.claims
    most = max(0, limit) + len(claims.beyond(number))
    rows: list[Row] = []
    for *values, size in store.db.execute(
        _CLAIM, (number, *claims.mark(number), now, most)
    ).fetchall():
        if len(rows) >= limit:
            break
        place = (values[11], values[0])
        if place[1] not in claims.taken:
            claims.take(place[1], Claim(number, place[0], size))
            rows.append(read_row(values, store.names))
        claims.walked(number, place)
    return rows


def ready(store: Store, now: float) -> dict[str, int]:
    """Count due unclaimed rows per connection, up to ``MOST_COUNTED`` each."""
    found: dict[str, int] = {}
    claims = store.claims
    for number, count in store.counts.by_connection.items():
        if count.rows <= claims.count(number):
            continue
        skipped = sum(1 for one in claims.beyond(number) if one.next_at <= now)
        (due,) = store.db.execute(
            _READY, (number, *claims.mark(number), now, MOST_COUNTED + skipped)
        ).fetchone()
        if due > skipped:
            found[store.names.connection_name(number)] = due - skipped
    return found


def next_due(store: Store) -> float | None:
    """Give the earliest time at which an unclaimed row is due."""
    times: list[float] = []
    claims = store.claims
    for number, count in store.counts.by_connection.items():
        if count.rows <= claims.count(number):
            continue
        most = 1 + len(claims.beyond(number))
        rows = store.db.execute(_NEXT, (number, *claims.mark(number), most)).fetchall()
        times.extend(at for at, id_ in rows if id_ not in claims.taken)
    return min(times, default=None)


def release(store: Store, ids: Sequence[int]) -> None:
    """Give claimed rows back as they are."""
    for number in ids:
        claim = store.claims.taken.get(number)
        if claim is not None:
            store.claims.drop([number])
            store.claims.put_back(claim.connection, (claim.next_at, number))
