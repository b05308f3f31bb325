"""How many events TikTok takes at once, where that is less than it says."""

from collections.abc import Callable
from typing import Final

from tokferry_server.delivery.group import WIRE_FORMATS
from tokferry_server.tiktok.wire import Route

_HOLDS_S: Final = 3600.0


class RequestCaps:
    """Remembers lowered limits for an hour; ``clock`` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._caps: dict[tuple[str, str], tuple[int, float]] = {}

    def of(self, key: str, route: Route) -> int:
        """Give how many events one request of a connection may hold."""
        most = WIRE_FORMATS[route.wire_format].max_events
        lower, until = self._caps.get((key, route.wire_format), (most, 0.0))
        return min(most, lower) if self._clock() < until else most

    def lower(self, key: str, route: Route, most: int) -> None:
        """Note that more than ``most`` events are too many."""
        lower = max(1, min(most, self.of(key, route)))
        self._caps[key, route.wire_format] = (lower, self._clock() + _HOLDS_S)
