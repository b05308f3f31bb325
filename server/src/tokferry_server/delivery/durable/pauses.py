"""Pauses that an operator sets and ends: files in one folder that all workers watch."""

import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

_PAUSED: Final = ".paused"
_RESUMED: Final = ".resumed"
_LONGEST_REASON: Final = 256
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Why a connection is paused, and since when, in Unix seconds."""

    reason: str
    since: float


class PauseFolder:
    """The pauses of one state folder, by connection.

    Errors of the file system come through as ``OSError``.
    """

    def __init__(self, folder: Path, *, wall: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._wall = wall
        self._mark = cache(lambda connection: str(self._path(connection, _PAUSED)))

    def pause(self, connection: str, reason: str) -> Pause:
        """Pause a connection; an earlier pause keeps its time."""
        earlier = _read(self._path(connection, _PAUSED))
        since = self._wall() if earlier is None else earlier.since
        text = "".join(one if one.isprintable() else " " for one in reason)
        pause = Pause(reason=text[:_LONGEST_REASON], since=since)
        self._write(self._path(connection, _PAUSED), pause)
        return pause

    def resume(self, connection: str) -> bool:
        """End a pause, also one that the workers began themselves.

        Gives false if nobody had set one.
        """
        now = Pause(reason="resumed", since=self._wall())
        self._write(self._path(connection, _RESUMED), now)
        try:
            self._path(connection, _PAUSED).unlink()
        except FileNotFoundError:
            return False
        return True

    def holds(self, connection: str) -> bool:
        """Say whether someone has paused a connection; cheap enough for each call."""
        try:
            os.stat(self._mark(connection))  # noqa: PTH116  a path costs three times that
        except FileNotFoundError:
            return False
        return True

    def paused(self) -> dict[str, Pause]:
        """Give all pauses by connection; one that is unreadable pauses, too."""
        return dict(self._all(_PAUSED))

    def resumed(self) -> dict[str, float]:
        """Give, by connection, when someone last ended a pause, in Unix seconds."""
        return {connection: mark.since for connection, mark in self._all(_RESUMED)}

    def _all(self, suffix: str) -> Iterator[tuple[str, Pause]]:
        with suppress(FileNotFoundError):
            for path in sorted(self._folder.iterdir()):
                if path.name.endswith(suffix):
                    mark = _read(path)
                    if mark is not None:
                        yield unquote(path.name.removesuffix(suffix)), mark

    def _path(self, connection: str, suffix: str) -> Path:
        return self._folder / (quote(connection, safe="") + suffix)

    def _write(self, path: Path, mark: Pause) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.{os.getpid()}")
        new.write_text(json.dumps({"reason": mark.reason, "since": mark.since}))
        new.chmod(0o600)
        new.replace(path)


class PauseWatch:
    """Looks into the folder every ``poll`` seconds, without a folder never.

    While it cannot be read, what was seen last goes on. ``clock`` gives monotonic
    seconds.
    """

    def __init__(
        self, folder: PauseFolder | None, poll: float, clock: Callable[[], float]
    ) -> None:
        self.paused: dict[str, Pause] = {}
        self.resumed: dict[str, float] = {}
        self._folder = folder
        self._poll = poll
        self._clock = clock
        self._next = -math.inf

    def hurry(self) -> None:
        """Make it time to look."""
        self._next = -math.inf

    def look(self) -> None:
        """Bring ``paused`` and ``resumed`` up to date, if it is time."""
        now = self._clock()
        if self._folder is None or now < self._next:
            return
        self._next = now + self._poll
        try:
            self.paused, self.resumed = self._folder.paused(), self._folder.resumed()
        except OSError as error:
            _log.warning("the folder of pauses cannot be read: %s", error.strerror)


def _read(path: Path) -> Pause | None:
    try:
        text = path.read_text(errors="replace")
        since = path.stat().st_mtime
    except FileNotFoundError:
        return None
    with suppress(ValueError, KeyError, TypeError):
        members = json.loads(text)
        return Pause(reason=str(members["reason"]), since=float(members["since"]))
    return Pause(reason="", since=since)
