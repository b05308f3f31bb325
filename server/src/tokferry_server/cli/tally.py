"""Counts what became of events: for the table, and for the exit code."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from tokferry_server.mapping.coverage import match_keys
from tokferry_server.mapping.outcome import DropReason, Outcome, WarningCode

_WITH = " + "
_BY_SOURCE = {
    "web": ("email", "phone", "external_id", "ttclid", "ttp", "ip + user_agent"),
    "app": ("email", "phone", "idfa", "gaid", "idfv", "ip + user_agent"),
    "offline": ("email", "phone"),
    "crm": ("email", "phone", "external_id", "lead_id"),
}
"""Event source → its identifiers; the address of a device counts with its agent."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something happened first."""

    file: str
    batch: int
    event: int | None
    field: str

    def __str__(self) -> str:
        """For people: batch and event, counted from 0."""
        event = "" if self.event is None else f", event {self.event}"
        return f"batch {self.batch}{event}"


@dataclass(slots=True)
class Identified:
    """How many TikTok events one file gave, and how many carry each identifier."""

    events: int = 0
    identifiers: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Tally:
    """Counts of events; ``identifiers`` counts the TikTok events that carry each."""

    event_source: str
    read: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    dropped: Counter[DropReason] = field(default_factory=Counter)
    warned: Counter[WarningCode] = field(default_factory=Counter)
    identifiers: Counter[str] = field(default_factory=Counter)
    files: dict[str, Identified] = field(default_factory=dict)
    first: dict[DropReason | WarningCode, Place] = field(default_factory=dict)

    @property
    def defects(self) -> int:
        """How many events were dropped for mistakes in the data."""
        return sum(n for reason, n in self.dropped.items() if not reason.intended)

    @property
    def names(self) -> tuple[str, ...]:
        """The identifiers that this event source can carry."""
        return _BY_SOURCE[self.event_source]

    def add(self, file: str, outcome: Outcome) -> None:
        """Count one outcome; warnings of dropped events are not counted."""
        self.read += 1
        self.files.setdefault(file, Identified())
        if outcome.drop is not None:
            reason = outcome.drop.reason
            self.dropped[reason] += 1
            self._note(reason, file, outcome, outcome.drop.field)
            return
        for mapped in outcome.events:
            self.sent[mapped.event.event] += 1
            self._identify(file, match_keys(mapped.event))
        for code in dict.fromkeys(warning.code for warning in outcome.warnings):
            self.warned[code] += 1
        for warning in outcome.warnings:
            self._note(warning.code, file, outcome, warning.field)

    def _identify(self, file: str, carried: Collection[str]) -> None:
        of_file = self.files[file]
        of_file.events += 1
        for name in self.names:
            if all(key in carried for key in name.split(_WITH)):
                self.identifiers[name] += 1
                of_file.identifiers[name] += 1

    def _note(
        self, key: DropReason | WarningCode, file: str, outcome: Outcome, path: str
    ) -> None:
        if key not in self.first:
            self.first[key] = Place(file, outcome.batch, outcome.event, path)
