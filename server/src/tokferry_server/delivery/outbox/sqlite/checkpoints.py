"""Moves what was committed from the log into the file, before the log grows long.

SQLite's automatic checkpoint hides its errors: a failed sync would be taken for a good
one the next time. Here it stops the outbox like a failed commit.
"""

import sqlite3
from typing import Final

from tokferry_server.delivery.failpoints import failpoint

_PAGES: Final = 4_000
_LEAST: Final = 1_000
_MOST: Final = 1_000_000


class Checkpoints:
    """Decides when, by the changes that filled about 4,000 pages the last time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._done = connection.total_changes
        self._limit = _LEAST
        self._before = failpoint("outbox.before_checkpoint")
        self._after = failpoint("outbox.after_checkpoint")

    @property
    def waiting(self) -> int:
        """The changes that no checkpoint has seen."""
        return self._db.total_changes - self._done

    @property
    def due(self) -> bool:
        """Whether the log is long enough."""
        return self.waiting >= self._limit

    def run(self, *, truncate: bool = False) -> None:
        """Write all of the log into the file, and sync it.

        Raises:
            sqlite3.Error, OSError: it failed; the log still has everything.
        """
        self._before()
        mode = "TRUNCATE" if truncate else "PASSIVE"
        row = self._db.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        changes, self._done = self.waiting, self._db.total_changes
        if changes >= _LEAST and not truncate:
            wanted = changes * _PAGES // max(1, row[1])
            self._limit = max(_LEAST, min(wanted, _MOST, 4 * self._limit))
        self._after()
