"""Keeps room on the disk: a share of it for others, and a ballast for itself.

On a full disk SQLite cannot even delete. The ballast is then given up, so that rows
that were delivered can be removed; nothing is accepted until it is back.
"""

import contextlib
import errno
import os
from pathlib import Path
from typing import Final

from tokferry_server.delivery.outbox.interface import OutboxFullError
from tokferry_server.delivery.outbox.sqlite.schema import PAGE_BYTES

_LOG_SHARE: Final = 4
_PROBE_BYTES: Final = 16 * PAGE_BYTES
MOST_BALLAST: Final = 64 * 2**20
_BALLAST_SHARE: Final = 8
_MARGIN_SHARE: Final = 8
_KEYS_SHARE: Final = 4
_KEY_BYTES: Final = 128
"""Measured: 113 with the indexes, for ids of 36 characters and less."""


class Space:
    """The room that the outbox file has; ``short`` from a full disk on."""

    def __init__(self, path: Path, min_free_share: float) -> None:
        self._path = path
        self.log = path.with_name(f"{path.name}-wal")
        self._ballast = ballast_file(path)
        self._share = 1.0 - min_free_share
        self._wanted = min(MOST_BALLAST, (self._free() + self._own()) // _BALLAST_SHARE)
        self.short = True
        self.restore()

    @property
    def log_pages(self) -> int:
        """How long the log may be, for the ballast to hold all that is in it."""
        return max(1, self._wanted // _LOG_SHARE // PAGE_BYTES)

    def most_keys(self) -> int:
        """Give how many delivered keys leave room enough for rows that wait."""
        room = self._share * (self._free() + self._own())
        return int(room) // _KEYS_SHARE // _KEY_BYTES

    def check(self, size: int, reusable: int) -> None:
        """Refuse ``size`` bytes more when others would get too little of the disk.

        ``reusable`` is the room inside the file, in bytes.

        Raises:
            OutboxFullError: the disk is full, or the outbox has its share of it.
        """
        if self.short:
            raise OutboxFullError(
                f"the disk of the outbox {self._path} is full: make room on it; rows "
                "are accepted again as soon as there is some"
            )
        own = self._own()
        free = self._free()
        if own - reusable + size > self._share * (free + own):
            raise OutboxFullError(
                f"the outbox {self._path} has taken its share of the disk "
                f"({own >> 20} MiB, {free >> 20} MiB free): make room on the disk, "
                "or wait until more is delivered"
            )

    def has_room(self) -> bool:
        """Say whether a little room is left beside the ballast."""
        return not self.short and self._free() >= self._wanted // _MARGIN_SHARE

    def give_up_ballast(self) -> None:
        """Free the ballast: the disk is full."""
        self.short = True
        self._ballast.unlink(missing_ok=True)

    def restore(self) -> bool:
        """Try to have the ballast again, and tell whether there was room for it."""
        if size_of(self._ballast) < self._wanted:
            try:
                _reserve(self._ballast, self._wanted)
            except OSError:
                self._ballast.unlink(missing_ok=True)
                return False
        self.short = False
        return True

    def refuses(self) -> bool:
        """Tell whether the disk has no room, or no quota, for another few pages."""
        probe = self._path.with_name(f"{self._path.name}.probe")
        try:
            _reserve(probe, _PROBE_BYTES)
        except OSError as error:
            return error.errno in (errno.ENOSPC, errno.EDQUOT)
        finally:
            with contextlib.suppress(OSError):  # a read-only disk refuses even that
                probe.unlink()
        return False

    def _own(self) -> int:
        return size_of(self._path) + size_of(self.log) + size_of(self._ballast)

    def _free(self) -> int:
        disk = os.statvfs(self._path.parent)
        return disk.f_bavail * disk.f_frsize


def ballast_file(path: Path) -> Path:
    """Give the path of the ballast."""
    return path.with_name(f"{path.name}.ballast")


def size_of(path: Path) -> int:
    """Give the size of a file in bytes; 0 for one that is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _reserve(path: Path, size: int) -> None:
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)
        else:  # macOS: a hole would be no ballast
            os.write(descriptor, bytes(size))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
