"""The command `tokferry`, run by the interpreter of the tests."""

import sys
from typing import Final

COMMAND: Final = (sys.executable, "-c", "from tokferry_server.cli import main; main()")
