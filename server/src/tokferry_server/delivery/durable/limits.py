"""How long an event is tried, and how long it waits between two tries."""

from typing import Final

from tokferry_server.delivery.outbox.doubt import in_doubt_too_long
from tokferry_server.delivery.outbox.interface import Row
from tokferry_server.tiktok.reasons import DeliveryReason

_DAY_S: Final = 86_400.0
CERTAIN_S: Final = 7 * _DAY_S
"""As long as every failed try was certainly not taken."""

_BACKOFF_CAP_S: Final = 300.0
_MOST_DOUBLINGS: Final = 9


def spent(
    row: Row, *, now: float, wall: float, max_event_age: float | None
) -> DeliveryReason | None:
    """Say why a row must not be sent any more, or ``None`` if it may.

    ``now`` is a time that never runs slow, ``wall`` that of the system, both in Unix
    seconds; ``max_event_age`` is in seconds.
    """
    if in_doubt_too_long(row.first_ambiguous_at, now):
        return DeliveryReason.AMBIGUOUS_EXPIRED
    if max_event_age is not None and row.time_ms < (wall - max_event_age) * 1000:
        return DeliveryReason.TOO_OLD
    return None


def gave_out(row: Row, *, wall: float, waited: float) -> bool:
    """Say whether a row that certainly failed once more has been tried long enough.

    ``waited`` counts all the seconds in which it could not be tried.
    """
    return row.first_ambiguous_at is None and wall - row.created - waited >= CERTAIN_S


def backoff(attempts: int, drawn: float, *, least: float = 0.0) -> float:
    """Give the seconds until the next try: full jitter below 1, 2, 4 … 300 s.

    ``attempts`` counts the earlier tries, ``drawn`` is a random number in [0, 1).
    """
    ceiling = min(_BACKOFF_CAP_S, 2.0 ** min(attempts, _MOST_DOUBLINGS))
    return max(least, drawn * ceiling)
