"""Who has which rows: in memory only, so that a claim costs no write.

The rows of a connection are claimed in the order of (next_at, id). All up to its mark
are claimed or gone, so that a claim never walks over those that are on their way.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

Place = tuple[float, int]
"""A row's place in its connection's order: when it is due, and its id."""

_START: Place = (float("-inf"), 0)


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What is known of a claimed row without reading it."""

    connection: int
    next_at: float
    size: int


@dataclass(slots=True)
class Claims:
    """All claims of one file."""

    taken: dict[int, Claim] = field(default_factory=dict)
    _ids: dict[int, set[int]] = field(default_factory=dict)
    _marks: dict[int, Place] = field(default_factory=dict)
    _lowered: set[int] = field(default_factory=set)

    def mark(self, connection: int) -> Place:
        """Give the place up to which no row can be claimed."""
        return self._marks.get(connection, _START)

    def take(self, connection: int, claims: Mapping[int, Claim]) -> None:
        """Claim rows of a connection, by their ids."""
        self.taken.update(claims)
        self._ids.setdefault(connection, set()).update(claims)

    def walked(self, connection: int, place: Place) -> None:
        """Note that every row up to ``place`` is claimed."""
        self._marks[connection] = place

    def drop(self, ids: Iterable[int]) -> None:
        """Forget claims of rows that are gone."""
        for number in ids:
            claim = self.taken.pop(number, None)
            if claim is not None:
                self._ids[claim.connection].discard(number)

    def put_back(self, connection: int, place: Place) -> None:
        """Note that there is an unclaimed row at ``place``."""
        if place <= self.mark(connection):
            self._marks[connection] = (place[0], place[1] - 1)
            self._lowered.add(connection)

    def count(self, connection: int) -> int:
        """Give the number of claimed rows of a connection."""
        return len(self._ids.get(connection, ()))

    def beyond(self, connection: int) -> list[Claim]:
        """Give the claims of rows behind the mark: a walk from there meets them."""
        if connection not in self._lowered:
            return []
        mark = self.mark(connection)
        found = [
            claim
            for number in self._ids.get(connection, ())
            if ((claim := self.taken[number]).next_at, number) > mark
        ]
        if not found:
            self._lowered.discard(connection)
        return found
