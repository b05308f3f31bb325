"""How far each input of `tokferry forward` is done, so that a run can be resumed."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

_HEAD = 64 * 1024
"""So many bytes of a file, with its size, tell it from others."""


class StateError(Exception):
    """A state file that is of no use for this run; the text says why."""


class Row(msgspec.Struct, forbid_unknown_fields=True):
    """A count of events with one outcome and reason; ``first`` is where, ``advice``."""

    outcome: str
    reason: str
    events: int = 0
    intended: bool = True
    first: str = ""
    advice: str = ""


class SavedFile(msgspec.Struct, forbid_unknown_fields=True):
    """One input: ``done`` batches from its beginning, and ranges beyond them."""

    name: str
    size: int
    head: str
    done: int = 0
    beyond: list[tuple[int, int]] = []
    unreadable: int = 0


class Saved(msgspec.Struct, forbid_unknown_fields=True):
    """All that a later run has to know; ``failed_bytes`` of the file of failures."""

    connection: str
    wrap_events: bool
    files: list[SavedFile]
    rows: list[Row]
    failed_bytes: int
    version: Literal[1] = 1


@dataclass(slots=True)
class Marks:
    """Which batches of one input are done, by their number from 0."""

    saved: SavedFile
    _beyond: set[int] = field(init=False)

    def __post_init__(self) -> None:
        """Take up what was saved."""
        self._beyond = {
            number for first, end in self.saved.beyond for number in range(first, end)
        }

    @property
    def done(self) -> int:
        """So many batches from the beginning are done."""
        return self.saved.done

    def to_do(self, documents: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
        """Yield, with their numbers, those that were not done at the call."""
        done, beyond = self.saved.done, frozenset(self._beyond)
        return (
            (number, document)
            for number, document in enumerate(documents)
            if number >= done and number not in beyond
        )

    def mark(self, number: int) -> None:
        """Note that a batch is done."""
        self._beyond.add(number)
        while self.saved.done in self._beyond:
            self._beyond.remove(self.saved.done)
            self.saved.done += 1

    def to_save(self) -> SavedFile:
        """Give what a later run has to know."""
        self.saved.beyond = list(_ranges(sorted(self._beyond)))
        return self.saved


def marks_of(name: str) -> Marks:
    """Give the marks of an input of which nothing is done.

    Raises:
        OSError: it cannot be read.
    """
    if name == "-":
        return Marks(SavedFile(name=name, size=-1, head=""))
    with Path(name).open("rb") as file:
        head = hashlib.sha256(file.read(_HEAD)).hexdigest()
        return Marks(
            SavedFile(name=name, size=os.fstat(file.fileno()).st_size, head=head)
        )


def load(path: Path) -> Saved | None:
    """Read a state file; None if there is none.

    Raises:
        StateError: it cannot be read, or is something else.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Saved)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(error.strerror or "cannot be read") from None
    except msgspec.DecodeError:
        raise StateError("is no state of tokferry forward: name another file") from None


def save(path: Path, saved: Saved) -> None:
    """Replace a state file as a whole, synced to disk.

    Raises:
        OSError: it cannot be written; the one before is still there.
    """
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        file.write(msgspec.json.encode(saved) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def check_same(saved: Saved, fresh: Saved) -> None:
    """Make sure that a state is about these inputs.

    Raises:
        StateError: it is about others.
    """
    if (saved.connection, saved.wrap_events) != (fresh.connection, fresh.wrap_events):
        raise StateError(
            f'belongs to a run with connection "{saved.connection}" and '
            f"{'' if saved.wrap_events else 'no '}--wrap-events"
        )
    if [_identity(one) for one in saved.files] != [
        _identity(one) for one in fresh.files
    ]:
        names = ", ".join(one.name for one in saved.files)
        raise StateError(f"belongs to other files, or they have changed: {names}")


def _identity(file: SavedFile) -> tuple[int, str]:
    return file.size, file.head


def _ranges(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    first = end = -1
    for number in numbers:
        if number != end:
            if end > first:
                yield first, end
            first = number
        end = number + 1
    if end > first:
        yield first, end
