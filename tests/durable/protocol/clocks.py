"""How far the worker's time is ahead of the true one: the real clock and journal say.

Times are ticks of half an hour.
"""

from functools import cache
from typing import Final

from tokferry_server.delivery.durable import Clock, Journal, Uptime

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
    )
    clock.reach(EPOCH + lead * TICK_S)
    now = passed
    return ticks(clock.now()) - passed


class _Journal(Journal):
    """On a disk that keeps one text."""

    def __init__(self, text: bytes = b"") -> None:
        self.text = text
        super().__init__()

    def read(self) -> bytes:
        return self.text

    def write(self, text: bytes) -> None:
        self.text = text


@cache
def lead_reborn(lead: int, seen_offset: int, offset: int, down: int) -> int:
    """Give the lead after a restart of the worker, which was down for so many ticks.

    The system's clock was off by ``seen_offset`` when it ended.
    """
    before, after = _standing(0, seen_offset), _standing(down, offset)
    before.reach(EPOCH + lead * TICK_S)
    journal = _Journal()
    journal.keep(before)
    after.reach(_Journal(journal.text).floor(after))
    return ticks(after.now()) - down


def _standing(now: int, offset: int) -> Clock:
    return Clock(
        monotonic=lambda: now * TICK_S,
        wall=lambda: EPOCH + (now + offset) * TICK_S,
        uptime=lambda: Uptime("one", now * TICK_S),
    )
