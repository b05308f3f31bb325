"""Which row has a key: new keys in memory, older ones in a table.

Keys are random, so that each one written by itself costs a page of the table, which
halves the speed of ``put``. They are collected instead, and written in their order: a
page then takes many. What is in memory only is read back from the rows after a crash.
"""

import sqlite3
from collections.abc import Iterable
from typing import Final

from tokferry_server.delivery.outbox.sqlite.rows import KEY_BYTES, insert

COLLECT: Final = 65_536
SLICE: Final = 1_024
_LOOK_UP: Final = 500

_SWEEP: Final = """
DELETE FROM known WHERE key > ? AND key <= ?
AND id < (SELECT coalesce(min(id), (SELECT next_id FROM meta)) FROM delivered)
AND NOT EXISTS (SELECT 1 FROM pending WHERE pending.id = known.id)
AND NOT EXISTS (SELECT 1 FROM dead WHERE dead.id = known.id)
"""
_SWEEP_END: Final = "SELECT key FROM known WHERE key > ? ORDER BY key LIMIT 1 OFFSET ?"
_READ_BACK: Final = f"""
SELECT id, substr(mark, 1, {KEY_BYTES}) FROM pending WHERE id > ?1
UNION ALL SELECT id, substr(mark, 1, {KEY_BYTES}) FROM dead WHERE id > ?1
UNION ALL SELECT id, substr(mark, 1, {KEY_BYTES}) FROM delivered WHERE id > ?1
ORDER BY 1
"""  # noqa: S608


class KnownKeys:
    """Finds the id of the row that has a key; that row may be gone."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._new: dict[bytes, int] = {}
        self._old: dict[bytes, int] = {}
        self._order: list[bytes] = []
        self._written = 0
        self._swept = b""
        self._sweeping = self._gone = True
        flushed = connection.execute("SELECT flushed_id FROM meta").fetchone()[0]
        for number, key in connection.execute(_READ_BACK, (flushed,)):
            self._new[key] = number

    def find(self, keys: Iterable[bytes]) -> dict[bytes, int]:
        """Give the ids of those keys that are known."""
        found: dict[bytes, int] = {}
        asked = []
        for key in keys:
            number = self._new.get(key) or self._old.get(key)
            if number is None:
                asked.append(key)
            else:
                found[key] = number
        for start in range(0, len(asked), _LOOK_UP):
            chunk = asked[start : start + _LOOK_UP]
            query = (
                "SELECT key, id FROM known WHERE key IN "  # noqa: S608
                f"({','.join('?' * len(chunk))})"
            )
            found.update(self._db.execute(query, chunk).fetchall())
        return found

    def add(self, keys: dict[bytes, int]) -> None:
        """Remember keys, once their rows are committed."""
        self._new.update(keys)
        if not self._order and len(self._new) >= COLLECT:
            self._old, self._new = self._new, {}
            self._order = sorted(self._old)

    def write(self, keys: dict[bytes, int]) -> None:
        """Write keys at once, in the caller's transaction; for a few only."""
        insert(self._db, "known (key, id)", 2, sorted(keys.items()))
        for key, number in keys.items():
            self._new.pop(key, None)
            if key in self._old:
                self._old[key] = number

    def write_some(self, rows: int) -> int:
        """Write a slice of the older keys, if any; part of the caller's transaction.

        It is somewhat more than the ``rows`` of that one, so that none pile up. Gives
        what ``wrote`` is to be told when the transaction is committed.
        """
        if not self._order:
            return 0
        first = self._written
        end = first + max(SLICE, rows + rows // 4)
        keys = self._order[first:end]
        old = [(key, self._old[key]) for key in keys]
        insert(self._db, "known (key, id)", 2, old)
        if self._sweeping or self._gone:
            self._sweep(2 * len(keys))
        if end >= len(self._order):
            highest = max(self._old.values())
            self._db.execute("UPDATE meta SET flushed_id = ?", (highest,))
        return len(keys)

    def lost_rows(self) -> None:
        """Note that rows are gone, and the table may hold their keys."""
        self._gone = True

    def _sweep(self, number: int) -> None:
        """Delete those of the next ``number`` keys whose row is gone, round and round.

        So the table never grows much beyond twice the keys that count, and no commit
        takes longer than others.
        """
        low = self._swept
        found = self._db.execute(_SWEEP_END, (low, number - 1)).fetchone()
        end = found[0] if found else b"\xff" * KEY_BYTES
        self._db.execute(_SWEEP, (low, end))
        self._swept = end if found else b""
        if not low:
            self._gone = False  # what is gone from now on takes another round
        self._sweeping = found is not None

    def wrote(self, number: int) -> None:
        """Note that a slice is committed."""
        self._written += number
        if self._written and self._written >= len(self._order):
            self._old, self._order, self._written = {}, [], 0
