"""How the rows of a connection, or of a label, stand."""

from dataclasses import replace
from typing import Final

from tokferry_server.delivery.outbox.interface import Balance, Labelled, Stats
from tokferry_server.delivery.outbox.sqlite.store import Store

# A row is due no earlier than it was created, and at once if it was never tried: the
# oldest is the first one due, or the oldest of the few that were tried.
_OLDEST: Final = """
SELECT min(at) FROM (
  SELECT min(next_at) AS at FROM pending WHERE connection = ?1
  UNION ALL
  SELECT min(created) FROM pending WHERE connection = ?1 AND next_at <> created
)
"""
_LABELLED: Final = """
SELECT connection, count(*), sum(size), min(created) FROM pending
WHERE label = ?1 AND label <> '' GROUP BY connection
"""
_AMBIGUOUS: Final = """
SELECT connection, count(*) FROM pending
WHERE first_ambiguous_at IS NOT NULL AND (?1 IS NULL OR label = ?1)
GROUP BY connection
"""
_KNOWN: Final = """
SELECT connection, count(*) FROM {} WHERE label = ?1 AND label <> ''
GROUP BY connection
"""
_FORGOTTEN: Final = "SELECT connection, number FROM forgotten"


def stats(store: Store) -> dict[str, Stats]:
    """Give the counts of every connection that holds anything."""
    found: dict[str, Stats] = {}
    for number, count in store.counts.by_connection.items():
        if count.rows or count.dead or count.delivered:
            (oldest,) = store.db.execute(_OLDEST, (number,)).fetchone()
            found[store.names.connection_name(number)] = Stats(
                pending=count.rows,
                pending_bytes=count.bytes,
                oldest_created=oldest,
                dead=count.dead,
                delivered_known=count.delivered,
            )
    return found


def labelled(store: Store, label: str) -> Labelled:
    """Give how the events of a label stand."""
    if not label:
        return Labelled()
    (pending,) = store.db.execute(
        "SELECT count(*) FROM pending WHERE label = ? AND label <> ''", (label,)
    ).fetchone()
    reasons = dict(
        store.db.execute(
            "SELECT reason, count(*) FROM dead WHERE label = ? AND label <> '' "
            "GROUP BY reason",
            (label,),
        ).fetchall()
    )
    return Labelled(pending=pending, dead=sum(reasons.values()), by_reason=reasons)


def balance(store: Store, label: str | None) -> dict[str, Balance]:
    """Give what became of the rows of every connection, or of those of a label."""
    found = _balances(store) if label is None else _balances_of(store, label)
    for number, count in store.db.execute(_AMBIGUOUS, (label,)):
        if number in found:
            found[number] = replace(found[number], ambiguous=count)
    return {store.names.connection_name(number): one for number, one in found.items()}


def _balances(store: Store) -> dict[int, Balance]:
    forgotten = dict(store.db.execute(_FORGOTTEN).fetchall())
    found: dict[int, Balance] = {}
    for number in store.counts.by_connection.keys() | forgotten.keys():
        count = store.counts.of(number)
        (oldest,) = store.db.execute(_OLDEST, (number,)).fetchone()
        one = Balance(
            pending=count.rows,
            pending_bytes=count.bytes,
            oldest_created=oldest,
            dead=count.dead,
            delivered=count.delivered + forgotten.get(number, 0),
        )
        if one.accepted:
            found[number] = one
    return found


def _balances_of(store: Store, label: str) -> dict[int, Balance]:
    pending = {
        number: Balance(pending=count, pending_bytes=size, oldest_created=oldest)
        for number, count, size, oldest in store.db.execute(_LABELLED, (label,))
    }
    dead, delivered = (
        dict(store.db.execute(_KNOWN.format(table), (label,)).fetchall())
        for table in ("dead", "delivered")
    )
    return {
        number: replace(
            pending.get(number, Balance()),
            dead=dead.get(number, 0),
            delivered=delivered.get(number, 0),
        )
        for number in pending.keys() | dead.keys() | delivered.keys()
    }
