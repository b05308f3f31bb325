"""How the rows of a connection, or of a label, stand."""

from typing import Final

from tokferry_server.delivery.outbox.interface import Labelled, Stats
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
