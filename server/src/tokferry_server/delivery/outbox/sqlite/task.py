"""One thing that the writer thread is asked to do."""

import asyncio
import errno
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from tokferry_server.delivery.outbox.interface import NewRow
from tokferry_server.delivery.outbox.sqlite.store import Store

_PRIMARY: Final = 0xFF
_SQLITE_FULL: Final = 13
_SQLITE_IOERR_WRITE: Final = 778
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


class Kind(Enum):
    """What a task does, and what becomes of it on a full disk.

    PUT and WRITE are refused, HOLD is kept in memory until there is room. READ sees
    what is committed only.
    """

    PUT = auto()
    HOLD = auto()
    WRITE = auto()
    READ = auto()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """Work with the future that waits for it.

    ``rows`` are those of a PUT, ``delivered`` the ids that a HOLD removes. ``pieces``
    does the work of a HOLD bit by bit, for a disk that has little room.
    """

    kind: Kind
    work: Callable[[Store], Any] | None = None
    rows: Sequence[NewRow] = ()
    delivered: Sequence[int] = ()
    pieces: Sequence[Callable[[Store], Any]] = ()
    future: asyncio.Future[Any] | None = None

    def in_pieces(self) -> list["Task"]:
        """Give the same work bit by bit, with nobody who waits for it."""
        return [Task(kind=self.kind, work=work) for work in self.pieces] or [self]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a task's future is to be told."""

    task: Task
    value: Any = None
    error: Exception | None = None


def answer(outcomes: Sequence[Outcome]) -> None:
    """Tell the futures; runs in their loop."""
    for outcome in outcomes:
        future = outcome.task.future
        if future is None or future.done():
            continue
        if outcome.error is None:
            future.set_result(outcome.value)
        else:
            future.set_exception(outcome.error)


def is_full(error: Exception, refuses: Callable[[], bool]) -> bool:
    """Tell whether an error says that the disk has no room.

    A quota that is used up looks to SQLite like any failed write: then ``refuses``
    is asked whether the disk takes anything at all.
    """
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    code = getattr(error, "sqlite_errorcode", 0)
    if code == _SQLITE_IOERR_WRITE:
        return refuses()
    return bool(code & _PRIMARY == _SQLITE_FULL)


def is_disk(error: Exception) -> bool:
    """Tell whether an error is the file's or the disk's, not the caller's values'."""
    return isinstance(error, OSError) or (
        isinstance(error, sqlite3.DatabaseError)
        and not isinstance(
            error,
            sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.DataError,
        )
    )
