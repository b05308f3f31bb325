"""The command `tokferry`, run by the interpreter of the tests."""

import sys
from pathlib import Path
from typing import Final

COMMAND: Final = (
    sys.executable,
    str(Path(__file__).parent / "guard" / "guarded_command.py"),
)
"""It looks at what it tells of itself; see ``guard``."""
