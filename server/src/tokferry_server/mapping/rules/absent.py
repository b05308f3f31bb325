"""The answer of a rule that takes the value for not being there."""

import enum
from typing import Final


class _Absent(enum.Enum):
    ABSENT = enum.auto()


ABSENT: Final = _Absent.ABSENT
"""Go on with the row's next alternative."""
