"""Pauses that an operator sets: files in one folder, which every worker watches."""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

_SUFFIX = ".paused"
_LONGEST_REASON = 256


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

    def pause(self, connection: str, reason: str) -> Pause:
        """Pause a connection; an earlier pause keeps its time."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        earlier = self._read(self._path(connection))
        since = self._wall() if earlier is None else earlier.since
        text = "".join(one if one.isprintable() else " " for one in reason)
        pause = Pause(reason=text[:_LONGEST_REASON], since=since)
        path = self._path(connection)
        new = path.with_suffix(f".{os.getpid()}")
        new.write_text(json.dumps({"reason": pause.reason, "since": pause.since}))
        new.chmod(0o600)
        new.replace(path)
        return pause

    def resume(self, connection: str) -> bool:
        """End the pause of a connection; false if there was none."""
        try:
            self._path(connection).unlink()
        except FileNotFoundError:
            return False
        return True

    def paused(self) -> dict[str, Pause]:
        """Give all pauses by connection; one that is unreadable pauses, too."""
        found: dict[str, Pause] = {}
        with suppress(FileNotFoundError):
            for path in sorted(self._folder.iterdir()):
                if path.name.endswith(_SUFFIX):
                    pause = self._read(path)
                    if pause is not None:
                        found[unquote(path.name.removesuffix(_SUFFIX))] = pause
        return found

    def _path(self, connection: str) -> Path:
        return self._folder / (quote(connection, safe="") + _SUFFIX)

    def _read(self, path: Path) -> Pause | None:
        try:
            text = path.read_text(errors="replace")
            since = path.stat().st_mtime
        except FileNotFoundError:
            return None
        with suppress(ValueError, KeyError, TypeError):
            members = json.loads(text)
            return Pause(reason=str(members["reason"]), since=float(members["since"]))
        return Pause(reason="", since=since)
