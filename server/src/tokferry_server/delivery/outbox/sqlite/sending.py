"""Which rows are on their way to TikTok: after a crash they may have been taken.

One record in the file stands for all rows of a request; it is rewritten or deleted by
the commit that settles, reschedules or kills them.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

_MARK: Final = """
UPDATE pending SET first_ambiguous_at = min(coalesce(first_ambiguous_at, ?1), ?1)
WHERE id IN (SELECT value FROM json_each(?2))
"""


class Sending:
    """The records, in the file and in memory. What a transaction undid is gathered."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._next = 1
        self._record_of: dict[int, int] = {}
        self._records: dict[int, set[int]] = {}
        self._undone: set[int] = set()

    def recover(self) -> None:
        """Mark the rows that were on their way when the process ended."""
        records = self._db.execute("SELECT at, ids FROM sending").fetchall()
        if not records:
            return
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(_MARK, records)
        self._db.execute("DELETE FROM sending")
        self._db.execute("COMMIT")

    def note(self, ids: Sequence[int], at: float) -> tuple[int, set[int]]:
        """Write a record in the current transaction; to be ``kept`` after it."""
        new = {number for number in ids if number not in self._record_of}
        record, self._next = self._next, self._next + 1
        if new:
            self._db.execute(
                "INSERT INTO sending VALUES (?, ?, ?)",
                (record, at, json.dumps(sorted(new))),
            )
        return record, new

    def keep(self, record: int, ids: set[int]) -> None:
        """Keep in memory what was noted and is committed."""
        if ids:
            self._records[record] = ids
            self._record_of.update(dict.fromkeys(ids, record))

    def undo(self, ids: Iterable[int]) -> None:
        """Gather rows whose fate the current transaction writes."""
        self._undone.update(ids)

    def write_undone(self) -> None:
        """Rewrite or delete the records of what was gathered; before the commit."""
        for record in {
            self._record_of[number]
            for number in self._undone
            if number in self._record_of
        }:
            left = self._records[record] - self._undone
            if left:
                self._db.execute(
                    "UPDATE sending SET ids = ? WHERE id = ?",
                    (json.dumps(sorted(left)), record),
                )
            else:
                self._db.execute("DELETE FROM sending WHERE id = ?", (record,))

    def committed(self) -> None:
        """Forget in memory what was undone in the file."""
        for number in self._undone:
            record = self._record_of.pop(number, None)
            if record is not None:
                self._records[record].discard(number)
                if not self._records[record]:
                    del self._records[record]
        self._undone.clear()

    def rolled_back(self) -> None:
        """Forget what was gathered."""
        self._undone.clear()
