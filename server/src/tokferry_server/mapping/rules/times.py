"""Rules for time."""

import re
from typing import Any

from tokferry_server.mapping.outcome import DropReason, WarningCode
from tokferry_server.mapping.rules.absent import ABSENT
from tokferry_server.mapping.scope import Scope

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}(\.0*)?")
_EARLIEST_MS = 10**11
_LATEST_MS = 253_402_300_799_999  # the end of the year 9999


def as_milliseconds(value: Any) -> int | None:
    """Give Unix milliseconds, 0 when unset, or ``None`` if the value is no time."""
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value.strip().partition(".")[0])
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return None


def unix_seconds(value: Any, scope: Scope) -> Any:
    """Unix seconds, rounded down, from milliseconds; 0 means unset.

    Below 10¹¹ the value is not in milliseconds (some feeds send seconds), and it is
    not guessed which unit it has.
    """
    milliseconds = value if type(value) is int else as_milliseconds(value)
    if milliseconds == 0 or (isinstance(value, str) and not value.strip()):
        return ABSENT
    if milliseconds is None or not _EARLIEST_MS <= milliseconds <= _LATEST_MS:
        scope.refuse(DropReason.INVALID_TIMESTAMP)
        return None
    if scope.path.startswith("batch."):
        scope.warn(WarningCode.TIMESTAMP_FROM_BATCH, "event.timestamp_unixtime_ms")
    scope.time_ms = milliseconds
    return milliseconds // 1000
