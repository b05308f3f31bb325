"""The answer of a rule that takes the value for not being there."""

import enum
from typing import Final


class _Absent(enum.Enum):
    ABSENT = enum.auto()


ABSENT: Final = _Absent.ABSENT
"""Go on with the row's next alternative."""

MAY_BE_ABSENT: Final = frozenset({"event_id", "unix_seconds"})
"""The rules that give it; all others give ``None`` for text that is empty."""
