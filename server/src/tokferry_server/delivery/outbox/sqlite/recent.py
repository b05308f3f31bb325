"""Rows that were put a moment ago, so that a claim need not read their bodies."""

from collections.abc import Iterable, Sequence
from typing import Final

from tokferry_server.delivery.outbox.interface import Row
from tokferry_server.delivery.outbox.sqlite.rows import Fresh

MOST_BYTES: Final = 8 * 2**20


class Recent:
    """Rows that are committed, and neither claimed nor written again since then.

    They take little that is not in memory anyhow: most are on their way soon. What does
    not fit is read from the file.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._held = 0
        self._rows: dict[int, tuple[Fresh, float]] = {}

    def keep(self, rows: Sequence[Fresh], created: float) -> None:
        """Keep rows of one call, if all of them fit."""
        size = sum(len(one.row.body) for one in rows)
        if self._held + size <= self._most:
            self._held += size
            self._rows.update((one.id, (one, created)) for one in rows)

    def take(self, number: int) -> Row | None:
        """Give a row that was kept, for once."""
        found = self._rows.pop(number, None)
        if found is None:
            return None
        (id_, row, _), created = found
        self._held -= len(row.body)
        return Row(
            id=id_,
            connection=row.connection,
            route=row.route,
            event=row.event,
            event_id=row.event_id,
            body=row.body,
            time_ms=row.time_ms,
            position=row.position,
            trace=row.trace,
            created=created,
            next_at=created,
        )

    def drop(self, ids: Iterable[int]) -> None:
        """Forget rows that are gone or changed."""
        if self._rows:
            for number in ids:
                self.take(number)
