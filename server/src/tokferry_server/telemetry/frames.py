"""Where an exception came from, without what it says: that may be anybody's data."""

import traceback
from typing import Final

_MOST: Final = 20


def frames_of(error: BaseException) -> list[str]:
    """Give file, line and function of each frame, the innermost last."""
    found = traceback.extract_tb(error.__traceback__)[-_MOST:]
    return [f"{one.filename}:{one.lineno} {one.name}" for one in found]
