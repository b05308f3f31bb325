"""A verdict on an answer of TikTok's, and the row of a table that gives it."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum, auto

from tokferry_server.tiktok.answer import Failure
from tokferry_server.tiktok.reasons import DeliveryReason, Outcome


class BatchAction(StrEnum):
    """What to do with a refused request of more than one event."""

    NONE = auto()
    ISOLATE = auto()
    """Cut out the event that is named, else halve, until the bad one stands alone."""
    HALVE = auto()
    """Halve, and send no more than that from now on."""
    RESEND_ONCE = auto()
    """Send the whole once more; then it counts as delivered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an answer means.

    ``outcome`` is that of each event, of a lone one where ``batch`` says more.
    ``certain``: surely not taken. ``resend_lone``: RESEND_ONCE goes for a lone event,
    too. ``pause``: every request of the connection will fail until someone acts.
    ``backpressure``: send less. ``breaker``: counts as a failure of TikTok's.
    ``minimum_wait``: seconds before the next try.
    """

    outcome: Outcome
    reason: DeliveryReason | None = None
    batch: BatchAction = BatchAction.NONE
    certain: bool = False
    resend_lone: bool = False
    pause: bool = False
    backpressure: bool = False
    breaker: bool = False
    minimum_wait: float = 0.0


Ranges = tuple[range, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Fits an answer by its failure, else by its code, else by its HTTP status."""

    name: str
    verdict: Verdict
    codes: Ranges = ()
    statuses: Ranges = ()
    failures: Collection[Failure] = ()

    def fits(
        self, failure: Failure | None, code: int | None, status: int | None
    ) -> bool:
        """Say whether the row is about such an answer."""
        if failure is not None:
            return failure in self.failures
        if code is not None:
            return any(code in codes for codes in self.codes)
        return any(status in statuses for statuses in self.statuses)


def ranges(text: str) -> Ranges:
    """Read numbers and ranges with both their ends, such as ``40001 40101-40119``."""
    bounds = (part.partition("-") for part in text.split())
    return tuple(range(int(first), int(last or first) + 1) for first, _, last in bounds)
