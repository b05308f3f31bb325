"""What would change in one event's outcome between two versions of a connection."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from msgspec.structs import asdict

from tokferry_server.cli.leaves import leaves
from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.outcome import Outcome
from tokferry_server.tiktok.formats import wire_format
from tokferry_server.tiktok.wire import WireFormat

Kind = Literal["CHANGED", "SENT", "DROPPED", "REASON"]
"""Sent otherwise; newly sent; no longer sent; dropped for another reason."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One member before and after; ``None`` where there is none."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How one event's outcome changes; ``before`` and ``after`` are decoded JSON."""

    file: str
    batch: int
    event: int | None
    kind: Kind
    before: dict[str, Any]
    after: dict[str, Any]
    differences: tuple[Difference, ...]


class Comparison:
    """Compares outcomes of the same event by an old and a new connection."""

    def __init__(self, old: Connection, new: Connection) -> None:
        self._old = wire_format(old.wire_format)
        self._new = wire_format(new.wire_format)
        self.route = tuple(_differences(asdict(old.route), asdict(new.route)))
        """What changes for every event: the place it is sent to."""

    def change(self, file: str, old: Outcome, new: Outcome) -> Change | None:
        """Say what changes, if anything that is sent, or the reason why not, does."""
        if self._same(old, new):
            return None
        before = _told(old, self._old)
        after = _told(new, self._new)
        if before == after:
            return None
        return Change(
            file=file,
            batch=new.batch,
            event=new.event,
            kind=_kind(old, new),
            before=before,
            after=after,
            differences=tuple(_differences(before, after)),
        )

    def _same(self, old: Outcome, new: Outcome) -> bool:
        """Whether the outcomes are the same at a glance."""
        if old.drop is not None and new.drop is not None:
            return old.drop.reason is new.drop.reason
        return (
            (old.drop is None) is (new.drop is None)
            and self._old is self._new
            and old.events == new.events
        )


def _kind(old: Outcome, new: Outcome) -> Kind:
    if old.drop is None:
        return "CHANGED" if new.drop is None else "DROPPED"
    return "SENT" if new.drop is None else "REASON"


def _told(outcome: Outcome, wire: WireFormat) -> dict[str, Any]:
    drop = outcome.drop
    if drop is None:
        events = [
            msgspec.json.decode(wire.encode_event(mapped.event, mapped.time_ms))
            for mapped in outcome.events
        ]
        return {"outcome": "EVENTS", "events": events}
    return {
        "outcome": "DROPPED",
        "reason": drop.reason.name,
        "field": drop.field,
        "intended": drop.reason.intended,
        "message": drop.message,
    }


def _differences(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Difference]:
    """Yield what differs, in the order of the new members, then of those gone."""
    old, new = dict(leaves(before)), dict(leaves(after))
    for path in [*new, *(path for path in old if path not in new)]:
        if old.get(path) != new.get(path):
            yield Difference(path, old.get(path), new.get(path))
