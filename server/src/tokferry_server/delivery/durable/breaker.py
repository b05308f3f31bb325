"""A circuit breaker: a TikTok that fails is left alone for a while."""

from collections import deque
from typing import Final

_WINDOW_S: Final = 60.0
_LEAST: Final = 10
_SHARE: Final = 0.7
_OPEN_S: Final = 30.0


class Breaker:
    """Opens for 30 s when 70 % of at least 10 requests in 60 s have failed.

    Then one request is let through as a probe. Times are monotonic seconds.
    """

    def __init__(self) -> None:
        self._seconds: deque[tuple[float, int, int]] = deque()
        self._open_until: float | None = None

    @property
    def closed(self) -> bool:
        """Whether requests go as usual."""
        return self._open_until is None

    def remaining(self, now: float) -> float:
        """Give the seconds until a probe may go; 0 if it may, or when closed."""
        return 0.0 if self._open_until is None else max(0.0, self._open_until - now)

    def record(self, now: float, *, failed: bool, probe: bool = False) -> None:
        """Count one request; while open, only the probe decides."""
        if self._open_until is not None:
            if probe:
                self._open_until = now + _OPEN_S if failed else None
            return
        self._count(now, failed=failed)
        total = sum(one[1] for one in self._seconds)
        failures = sum(one[2] for one in self._seconds)
        if total >= _LEAST and failures >= _SHARE * total:
            self._seconds.clear()
            self._open_until = now + _OPEN_S

    def _count(self, now: float, *, failed: bool) -> None:
        while self._seconds and self._seconds[0][0] <= now - _WINDOW_S:
            self._seconds.popleft()
        second, total, failures = float(int(now)), 0, 0
        if self._seconds and self._seconds[-1][0] == second:
            _, total, failures = self._seconds.pop()
        self._seconds.append((second, total + 1, failures + failed))
