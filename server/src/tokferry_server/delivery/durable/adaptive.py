"""How many requests at a time TikTok bears, found out by trying.

The rule is that of Vector's adaptive request concurrency:
https://vector.dev/docs/architecture/arc/
"""

import math
from typing import Final

_ALPHA: Final = 0.4
_DEVIATIONS: Final = 2.5
_DECREASE: Final = 0.9
_SAME_S: Final = 0.001


class AdaptiveLimit:
    """A limit between 1 and ``most``, judged once per mean round trip.

    It grows by 1 if it was reached, nothing pushed back and the round trips did not
    lengthen. It shrinks to nine tenths when TikTok pushed back or the round trips are
    more than 2.5 standard deviations above their mean. Times are monotonic seconds.
    """

    def __init__(self, most: int) -> None:
        self.current = 1
        self._most = most
        self._mean: float | None = None
        self._variance = 0.0
        self._judge_at = -math.inf
        self._sum = 0.0
        self._count = 0
        self._pushed_back = False
        self._reached = False

    def begun(self, in_flight: int) -> None:
        """Note how many requests are under way now that one more has begun."""
        self._reached = self._reached or in_flight >= self.current

    def ended(
        self, now: float, round_trip: float, *, succeeded: bool, pushed_back: bool
    ) -> None:
        """Note the end of a request; its round trip counts only if it succeeded."""
        if succeeded:
            self._sum += round_trip
            self._count += 1
        self._pushed_back = self._pushed_back or pushed_back
        if now >= self._judge_at and (self._count or self._pushed_back):
            self._judge(now, round_trip)

    def _judge(self, now: float, round_trip: float) -> None:
        current = self._sum / self._count if self._count else None
        if self._mean is None and current is not None:
            self._mean = current
        self._adjust(current)
        if current is not None:
            self._learn(current)
        self._judge_at = now + (round_trip if self._mean is None else self._mean)
        self._sum, self._count = 0.0, 0
        self._pushed_back = self._reached = False

    def _adjust(self, current: float | None) -> None:
        slower = quick = False
        if current is not None and self._mean is not None:
            spread = _DEVIATIONS * math.sqrt(self._variance)
            slower = current > self._mean + max(spread, _SAME_S)
            quick = current <= self._mean + _SAME_S
        if self._pushed_back or slower:
            self.current = max(1, int(self.current * _DECREASE))
        elif quick and self._reached:
            self.current = min(self._most, self.current + 1)

    def _learn(self, current: float) -> None:
        if self._mean is None:
            self._mean = current
        change = current - self._mean
        self._mean += _ALPHA * change
        self._variance = (1 - _ALPHA) * (self._variance + _ALPHA * change * change)
