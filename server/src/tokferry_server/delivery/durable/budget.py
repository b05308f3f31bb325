"""A budget for retries, so that they never multiply the load on an ailing TikTok.

The rule is that of gRPC clients:
https://github.com/grpc/proposal/blob/master/A6-client-retries.md
"""

from typing import Final

_FULL: Final = 10.0
_EARNED: Final = 0.1


class RetryBudget:
    """Holds 10 tokens: a failure takes one, a success gives a tenth."""

    def __init__(self) -> None:
        self._tokens = _FULL

    @property
    def spent(self) -> bool:
        """Whether half of it or more is gone, so that retries have to wait."""
        return self._tokens <= _FULL / 2

    def record(self, *, failed: bool) -> None:
        """Count one request."""
        change = -1.0 if failed else _EARNED
        self._tokens = min(_FULL, max(0.0, self._tokens + change))
