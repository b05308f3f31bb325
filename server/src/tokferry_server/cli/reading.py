"""Reads the files that a command names, and says which of them are of no use."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from tokferry_server.cli.inputs import (
    WHOLE,
    UnusableInputError,
    open_input,
    read_batches,
)
from tokferry_server.cli.paper import complain, shown
from tokferry_server.mparticle.model import Batch, Malformed

Use = Callable[[str, Iterable[Batch | Malformed]], None]
"""Takes a file's name and its batches, and reads them to their end."""


def read_files(
    names: Sequence[str], use: Use, *, wrap_events: bool, quiet: bool
) -> bool:
    """Hand over the batches of each file; say whether every file was of use.

    What is wrong with the others is said on the error output. ``quiet`` leaves out the
    bar that follows a long file.
    """
    # All files are read, whatever is wrong with one of them.
    usable = [
        _read_file(name, use, wrap_events=wrap_events, quiet=quiet) for name in names
    ]
    return all(usable)


def _read_file(name: str, use: Use, *, wrap_events: bool, quiet: bool) -> bool:
    try:
        with open_input(name) as file, _progress(file, show=not quiet):
            seen = _Seen(read_batches(file, wrap_events=wrap_events))
            use(name, seen)
    except UnusableInputError as error:
        complain(f"{shown(name)}: {error}")
        return False
    problem = seen.problem
    if problem is not None:
        complain(f"{shown(name)}: {problem}")
    return problem is None


class _Seen:
    """Batches on their way, and whether any of them could be read."""

    def __init__(self, batches: Iterable[Batch | Malformed]) -> None:
        self._batches = batches
        self._readable = 0
        self._first: Malformed | None = None

    def __iter__(self) -> Iterator[Batch | Malformed]:
        for batch in self._batches:
            if not isinstance(batch, Malformed):
                self._readable += 1
            elif self._first is None:
                self._first = batch
            yield batch

    @property
    def problem(self) -> str | None:
        """Why the whole input is of no use, if it is."""
        if self._readable:
            return None
        if self._first is None:
            return "is empty"
        return f"holds no mParticle batch: {self._first.problem}"


@contextmanager
def _progress(file: IO[bytes], *, show: bool) -> Iterator[None]:
    """Draw a bar on the error output while a long file is read by a person."""
    if not (show and sys.stderr.isatty() and file.seekable()):
        yield
        return
    size = os.fstat(file.fileno()).st_size
    if size <= WHOLE:
        yield
        return
    from tokferry_server.cli.progress import following

    with following(file.fileno(), size):
        yield
