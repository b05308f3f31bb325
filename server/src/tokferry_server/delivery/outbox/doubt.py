"""How long an event that TikTok may have taken can be sent again, and counted once."""

from typing import Final

DOUBT_SECONDS: Final = 47 * 3600.0
"""After a try that may have been taken: an hour within TikTok's 48.
https://ads.tiktok.com/help/article/event-deduplication"""

CLOCK_ERROR_SECONDS: Final = 1800.0
"""By as much the clocks of one machine may differ from one time to another."""


def in_doubt_too_long(first_ambiguous_at: float | None, now: float) -> bool:
    """Say whether TikTok might count an event twice if it were sent now.

    A first ambiguous try that lies in the future means that a clock was set back by
    nobody knows how much.
    """
    if first_ambiguous_at is None:
        return False
    return not -CLOCK_ERROR_SECONDS <= now - first_ambiguous_at < DOUBT_SECONDS
