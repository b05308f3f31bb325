"""The command `tokferry` in a process that looks at its own log, errors and arguments.

``python guarded_command.py ARGUMENT...``; workers of a service are started alike.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from guard.watch import FOLDER, Guard, watch_log


class Errors:
    """The error output, which is looked at; all else is the stream's own."""

    def __init__(self, stream: Any, guard: Guard) -> None:
        self._stream = stream
        self._guard = guard

    def write(self, text: str) -> Any:
        """Write, and see what is written."""
        self._guard.see("error output", text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        """Give what the stream has."""
        return getattr(self._stream, name)


def telling(folder: Path) -> Callable[[str], None]:
    """Give a function that writes findings down at once: the process may be killed."""

    def tell(finding: str) -> None:
        with (folder / str(os.getpid())).open("a") as file:
            file.write(f"`tokferry {' '.join(sys.argv[1:2])}`, {finding}\n")

    return tell


if __name__ == "__main__":
    if folder := os.environ.get(FOLDER):
        guard = Guard(telling(Path(folder)))
        guard.see("process list", " ".join(sys.argv))
        sys.stderr = Errors(sys.stderr, guard)
        if "serve" in sys.argv[1:2]:
            watch_log(guard)
    del sys.path[:2]  # as the command itself has it: no folder of tests
    from tokferry_server.cli import main

    main()
