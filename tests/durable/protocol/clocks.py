"""How far the worker's time is ahead of the true one: the real clock and journal say.

Times are ticks of half an hour.
"""

from functools import cache
from typing import Final

from tokferry_server.delivery.durable import Clock, Journal

TICK_S: Final = 1800.0
EPOCH: Final = 1_795_003_200.0


def ticks(seconds: float) -> int:
    """Give the whole ticks since the beginning."""
    return round((seconds - EPOCH) // TICK_S)


@cache
def lead_after(lead: int, offset: int, passed: int) -> int:
    """Give the lead of the worker's time after so many ticks by a clock that is off."""
    now = 0
    clock = Clock(
        monotonic=lambda: now * TICK_S,
        wall=lambda: EPOCH + (now + offset) * TICK_S,
        floor=EPOCH + lead * TICK_S,
    )
    now = passed
    return ticks(clock.now()) - passed


class _Journal(Journal):
    """Remembers one look at the time."""

    def __init__(self, seen: float, wall: float) -> None:
        super().__init__()
        self.keep(seen, wall)


@cache
def lead_reborn(lead: int, seen_offset: int, offset: int) -> int:
    """Give the lead after a restart; the clock was off by ``seen_offset`` before."""
    journal = _Journal(EPOCH + lead * TICK_S, EPOCH + seen_offset * TICK_S)
    wall = EPOCH + offset * TICK_S
    clock = Clock(monotonic=lambda: 0.0, wall=lambda: wall, floor=journal.floor(wall))
    return ticks(clock.now())
