"""What a worker must remember when it ends: the time, and who had to wait when.

Waiting does not age an event; and a clock that is set while no worker runs must not
make an event seem younger than it is.
"""

import logging
import math
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from tokferry_server.delivery.durable.clock import Clock
from tokferry_server.delivery.durable.uptime import Uptime
from tokferry_server.delivery.outbox.doubt import CLOCK_ERROR_SECONDS, DOUBT_SECONDS

_EVERY_S: Final = 60.0
_CHANGED_EVERY_S: Final = 5.0
_MOST_WAITS: Final = 1000
_KEPT_S: Final = 60 * 86_400.0

Wait = tuple[float, float]
_log = logging.getLogger(__name__)


class _Seen(NamedTuple):
    """When the time was noted: the time that never runs slow, and two clocks."""

    now: float
    wall: float
    uptime: Uptime


class Journal:
    """Waits by connection, in Unix seconds; kept in a file if one is named.

    A file that is missing or unreadable counts as empty.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._ended: dict[str, list[Wait]] = {}
        self._open: dict[str, float] = {}
        self._written = -math.inf
        self._changed = False
        self._lead = 0.0
        self._seen: _Seen | None = None
        with suppress(OSError, ValueError, TypeError, KeyError):
            self._load(msgspec.json.decode(self.read()))

    def note(self, connection: str, *, waits: bool, now: float) -> None:
        """Note whether a connection has to wait from now on."""
        if waits == (connection in self._open):
            return
        if waits:
            self._open[connection] = now
        else:
            ended = self._ended.setdefault(connection, [])
            ended.append((self._open.pop(connection), now))
            _shorten(ended, now)
        self._changed = True

    def waited(self, connection: str, since: float, until: float) -> float:
        """Give the seconds that a connection had to wait between two times."""
        total = 0.0
        for start, end in reversed(self._ended.get(connection, ())):
            if end <= since:
                break
            total += max(0.0, min(end, until) - max(start, since))
        start = self._open.get(connection, math.inf)
        return total + max(0.0, until - max(start, since))

    def floor(self, clock: Clock) -> float:
        """Give the least that the time can be, in Unix seconds.

        That is the last time noted, and the time that has passed since.
        """
        seen = self._seen
        if seen is None:
            return 0.0
        return seen.now + _passed(seen, clock.wall(), clock.uptime())

    def keep(self, clock: Clock) -> None:
        """Write the file every five seconds if anything changed, else once a minute.

        It is written at once when the system's clock was set. While it cannot be
        written, on a full disk, events go on being delivered.
        """
        now, wall = clock.now(), clock.wall()
        every = _CHANGED_EVERY_S if self._changed else _EVERY_S
        was_set = abs(now - wall - self._lead) >= _EVERY_S
        if now - self._written < every and not was_set:
            return
        self._written, self._lead, self._changed = now, now - wall, False
        members = {
            "seen": _Seen(now, wall, clock.uptime()),
            "waits": self._ended,
            "open": self._open,
        }
        try:
            self.write(msgspec.json.encode(members))
        except OSError as error:
            _log.warning("the worker's journal cannot be written: %s", error.strerror)

    def read(self) -> bytes:
        """Give what was written last, or nothing."""
        return b"" if self._path is None else self._path.read_bytes()

    def write(self, text: bytes) -> None:
        """Put a text in the place of the last one."""
        if self._path is None:
            return
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_bytes(text)
        new.replace(self._path)

    def _load(self, members: Any) -> None:
        self._seen = msgspec.convert(members["seen"], _Seen)
        for connection, waits in members["waits"].items():
            self._ended[connection] = [(float(one), float(two)) for one, two in waits]
        for connection, start in members["open"].items():
            self._open[connection] = float(start)


def _passed(seen: _Seen, wall: float, uptime: Uptime) -> float:
    """Give the most seconds that may have passed since a time was noted.

    As long as the system is up it counts them itself. Over a restart of it there is
    only its clock, which must have been set if it is behind: then nobody knows, and the
    events that TikTok may have taken have to be given up.
    """
    by_clock = wall - seen.wall
    if uptime.boot and uptime.boot == seen.uptime.boot:
        return max(by_clock, uptime.seconds - seen.uptime.seconds)
    if by_clock < -CLOCK_ERROR_SECONDS:
        return DOUBT_SECONDS
    return max(0.0, by_clock)


def _shorten(waits: list[Wait], now: float) -> None:
    """Forget what is too old to matter, and join the oldest if there are too many."""
    while waits and waits[0][1] < now - _KEPT_S:
        del waits[0]
    if len(waits) > _MOST_WAITS:
        waits[:2] = [(waits[0][0], waits[1][1])]
