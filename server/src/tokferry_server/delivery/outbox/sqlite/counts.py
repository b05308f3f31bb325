"""How much is stored, per connection and in all, kept in memory beside the tables."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Count:
    """Rows and bytes of bodies."""

    rows: int = 0
    bytes: int = 0
    dead: int = 0
    dead_bytes: int = 0
    delivered: int = 0

    def add(self, other: "Count", sign: int = 1) -> None:
        """Add another count, or with ``sign`` -1 take it off."""
        self.rows += sign * other.rows
        self.bytes += sign * other.bytes
        self.dead += sign * other.dead
        self.dead_bytes += sign * other.dead_bytes
        self.delivered += sign * other.delivered


@dataclass(slots=True)
class Counts:
    """Counts by connection number. What a transaction added can be taken back."""

    total: Count = field(default_factory=Count)
    by_connection: dict[int, Count] = field(default_factory=dict)
    _added: list[dict[int, Count]] = field(default_factory=list)

    def of(self, connection: int) -> Count:
        """Give the counts of one connection."""
        return self.by_connection.setdefault(connection, Count())

    def add(self, changes: dict[int, Count]) -> None:
        """Count what the current transaction changes, by connection."""
        self._added.append(changes)
        for connection, change in changes.items():
            self.total.add(change)
            self.of(connection).add(change)

    def keep(self) -> None:
        """The transaction is committed."""
        self._added.clear()

    def undo(self) -> None:
        """The transaction is rolled back."""
        for changes in self._added:
            for connection, change in changes.items():
                self.total.add(change, -1)
                self.of(connection).add(change, -1)
        self._added.clear()


def tally(sizes: Iterable[tuple[int, int]]) -> dict[int, Count]:
    """Count rows of given (connection number, size of the body) as ``rows``."""
    found: dict[int, Count] = {}
    for connection, size in sizes:
        one = found.setdefault(connection, Count())
        one.rows += 1
        one.bytes += size
    return found


def count(connection: sqlite3.Connection) -> Counts:
    """Count what is in the file; reads indexes only."""
    counts = Counts()
    for number, rows, size in connection.execute(
        "SELECT connection, count(*), sum(size) FROM pending GROUP BY connection"
    ):
        counts.add({number: Count(rows=rows, bytes=size)})
    for number, rows, size in connection.execute(
        "SELECT connection, count(*), sum(size) FROM dead GROUP BY connection"
    ):
        counts.add({number: Count(dead=rows, dead_bytes=size)})
    for number, rows in connection.execute(
        "SELECT connection, count(*) FROM delivered GROUP BY connection"
    ):
        counts.add({number: Count(delivered=rows)})
    counts.keep()
    return counts
