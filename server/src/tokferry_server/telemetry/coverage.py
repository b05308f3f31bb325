"""How many TikTok events carry each match key, counted at a fraction of a microsecond.

An event is counted by which members its user has; what keys those make is found out
when somebody collects.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from operator import is_
from typing import Final

from msgspec.structs import astuple
from opentelemetry.metrics import CallbackOptions, Observation

from tokferry_server.mapping.coverage import MATCH_KEYS
from tokferry_server.mapping.outcome import Outcome
from tokferry_server.telemetry.metrics import CONNECTION, KEY
from tokferry_server.tiktok.model import User

_LEAD: Final = "lead.lead_id"
_PLACES: Final = {
    f"user.{name}": place for place, name in enumerate(User.__struct_fields__)
}
_NOBODY: Final = User()
_NOTHING: Final = astuple(_NOBODY)
_NO_SHAPE: Final = tuple(True for _ in _NOTHING)

_Shape = tuple[bool, ...]
"""For each member of a user whether it is absent."""


class CoverageTally:
    """Counts the TikTok events of each connection by the keys they carry."""

    def __init__(self) -> None:
        self._shapes: Counter[tuple[str, _Shape, bool]] = Counter()

    def counted(
        self, connection: str, outcomes: Iterable[Outcome]
    ) -> Iterator[Outcome]:
        """Count the events of a request; those of a batch share their user."""
        last, shape = _NOBODY, _NO_SHAPE
        for outcome in outcomes:
            for mapped in outcome.events:
                event = mapped.event
                user = event.user or _NOBODY
                if user is not last:
                    last = user
                    shape = tuple(map(is_, astuple(user), _NOTHING))
                lead = event.lead is not None and event.lead.lead_id is not None
                self._shapes[connection, shape, lead] += 1
            yield outcome

    def mapped(self, _options: CallbackOptions) -> Iterable[Observation]:
        """Give the number of events."""
        sums: Counter[str] = Counter()
        for (connection, _, _), number in self._shapes.copy().items():
            sums[connection] += number
        for connection, number in sums.items():
            yield Observation(number, {CONNECTION: connection})

    def keys(self, _options: CallbackOptions) -> Iterable[Observation]:
        """Give the number of events that carry each key, those that none does too."""
        sums: Counter[tuple[str, str]] = Counter()
        for (connection, shape, lead), number in self._shapes.copy().items():
            for key, paths in MATCH_KEYS.items():
                has = any(_has(shape, path, lead=lead) for path in paths)
                sums[connection, key] += number * has
        for (connection, key), number in sums.items():
            yield Observation(number, {CONNECTION: connection, KEY: key})


def _has(shape: _Shape, path: str, *, lead: bool) -> bool:
    return lead if path == _LEAD else not shape[_PLACES[path]]
