"""What an operator is told of the connections in the log: changes, no repetitions."""

import logging
import math
import time
from collections.abc import Callable
from typing import Final

from tokferry_server.delivery.durable.describe import DEAD_LETTERS_FULL
from tokferry_server.delivery.durable.status import LaneState
from tokferry_server.tiktok.reasons import DeliveryReason

_ALARM_EVERY_S: Final = 300.0
_log = logging.getLogger(__name__)
_TEXTS: Final = {
    LaneState.RUNNING: "connection %s delivers again",
    LaneState.PAUSED: "connection %s is paused",
    LaneState.NO_TOKEN: "connection %s has no access token",
    LaneState.THROTTLED: "connection %s is throttled by TikTok",
    LaneState.BREAKER_OPEN: "the breaker of connection %s is open: most requests fail",
}
_ALARMS: Final = {
    DeliveryReason.CONNECTION_AUTH: (
        "TikTok refuses the access token of connection %s: put a valid one in place"
    ),
    DeliveryReason.CONNECTION_CONFIG: (
        "TikTok does not know the event source of connection %s, or the address: "
        "correct the settings"
    ),
}
_REASONS: Final = {*DeliveryReason.__members__, DEAD_LETTERS_FULL}


class Notices:
    """Tells of states, dead letters and alarms; ``clock`` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._states: dict[str, tuple[LaneState, str | None]] = {}
        self._dead: dict[str, int] = {}
        self._alarms: dict[tuple[str, DeliveryReason], float] = {}

    def state(self, name: str, state: LaneState, reason: str | None = None) -> None:
        """Tell of a state that is not what it was; a note of a person's is not told."""
        now = (state, reason)
        before = self._states.get(name, (LaneState.RUNNING, None))
        self._states[name] = now
        if now == before:
            return
        known = reason if reason in _REASONS else None
        level = logging.INFO if state is LaneState.RUNNING else logging.WARNING
        fields = {"connection": name, "state": state.lower(), "reason": known}
        _log.log(level, _TEXTS[state], name, extra=fields)

    def dead(self, name: str, total: int) -> None:
        """Tell of more dead letters than there were; ``total`` never shrinks."""
        before, self._dead[name] = self._dead.get(name, 0), total
        if total > before:
            fields = {"connection": name, "events": total - before}
            text = "%s events of connection %s became dead letters"
            _log.warning(text, total - before, name, extra=fields)

    def alarm(self, name: str, reason: DeliveryReason) -> None:
        """Tell that nothing of a connection can pass; again after five minutes."""
        now = self._clock()
        if reason in _ALARMS and now >= self._alarms.get((name, reason), -math.inf):
            self._alarms[name, reason] = now + _ALARM_EVERY_S
            fields = {"connection": name, "reason": reason}
            _log.error(_ALARMS[reason], name, extra=fields)
