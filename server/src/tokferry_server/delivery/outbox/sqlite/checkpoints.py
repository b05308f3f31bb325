"""Moves what was committed from the log into the file, before the log grows long.

SQLite's automatic checkpoint hides its errors: a failed sync would be taken for a good
one the next time. Here it stops the outbox like a failed commit.
"""

import sqlite3
from pathlib import Path
from typing import Final

from tokferry_server.delivery.failpoints import failpoint
from tokferry_server.delivery.outbox.sqlite.schema import PAGE_BYTES
from tokferry_server.delivery.outbox.sqlite.space import size_of

PAGES: Final = 4_000
_FRAME_BYTES: Final = PAGE_BYTES + 24
_MOST: Final = 1_000_000


class Checkpoints:
    """Decides when: by the changes that filled ``pages`` the last time, or by growth.

    The log is written again from its start after each checkpoint, so that its size
    tells only when it grows beyond what it was.
    """

    def __init__(self, connection: sqlite3.Connection, log: Path, pages: int) -> None:
        self._db = connection
        self._log = log
        self._pages = pages
        self._done = connection.total_changes
        self._limit = self._least
        self._size = 0
        self._before = failpoint("outbox.before_checkpoint")
        self._after = failpoint("outbox.after_checkpoint")

    @property
    def _least(self) -> int:
        return self._pages // 4 + 1

    @property
    def waiting(self) -> int:
        """The changes that no checkpoint has seen."""
        return self._db.total_changes - self._done

    @property
    def due(self) -> bool:
        """Whether the log is long enough."""
        grown = size_of(self._log) - self._size
        return self.waiting >= self._limit or grown > self._pages * _FRAME_BYTES

    def run(self, *, truncate: bool = False) -> None:
        """Write all of the log into the file, and sync it.

        Raises:
            sqlite3.Error, OSError: it failed; the log still has everything.
        """
        self._before()
        mode = "TRUNCATE" if truncate else "PASSIVE"
        row = self._db.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        changes, self._done = self.waiting, self._db.total_changes
        self._size = size_of(self._log)
        if changes >= self._least and not truncate:
            wanted = changes * self._pages // max(1, row[1])
            self._limit = max(self._least, min(wanted, _MOST, 4 * self._limit))
        self._after()
