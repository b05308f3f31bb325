"""What the sandbox took: the first copy of each event, as TikTok keeps it for 48 hours.

https://ads.tiktok.com/help/article/event-deduplication
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

_WINDOW_S = 48 * 3600


class Sent(msgspec.Struct, frozen=True):
    """One event of a request, with the bytes it came in."""

    source_id: str
    event: str
    event_id: str | None
    body: msgspec.Raw


class Taken(msgspec.Struct):
    """The first copy of an event; ``copies`` counts the later ones as well."""

    event_source_id: str
    event: str
    event_id: str | None
    taken_at: float
    body: msgspec.Raw
    copies: int = 1


class Counts(msgspec.Struct):
    """Running totals. ``changed`` counts copies whose content differs from the first.

    ``counted_twice`` counts events that came again after the 48 hours.
    """

    requests: int = 0
    taken: int = 0
    duplicates: int = 0
    changed: int = 0
    counted_twice: int = 0


@dataclass(slots=True, kw_only=True)
class Ledger:
    """Takes events and drops their copies; ``clock`` gives Unix seconds."""

    clock: Callable[[], float]
    counts: Counts = field(default_factory=Counts)
    events: list[Taken] = field(default_factory=list)
    _latest: dict[tuple[str, str, str], Taken] = field(default_factory=dict)

    def take(self, sent: Sequence[Sent]) -> None:
        """Keep what is new; count the rest."""
        now = self.clock()
        for one in sent:
            self._take(one, now)

    def clear(self) -> None:
        """Forget everything."""
        self.counts = Counts()
        self.events.clear()
        self._latest.clear()

    def _take(self, sent: Sent, now: float) -> None:
        key = (sent.source_id, sent.event, sent.event_id or "")
        first = self._latest.get(key) if sent.event_id else None
        if first is not None and now - first.taken_at < _WINDOW_S:
            first.copies += 1
            self.counts.duplicates += 1
            self.counts.changed += bytes(first.body) != bytes(sent.body)
            return
        self.counts.counted_twice += first is not None
        self.counts.taken += 1
        taken = Taken(
            event_source_id=sent.source_id,
            event=sent.event,
            event_id=sent.event_id,
            taken_at=now,
            body=sent.body,
        )
        self.events.append(taken)
        if sent.event_id:
            self._latest[key] = taken
