"""Keeps room on the disk: a share of it for others, and a ballast for itself.

On a full disk SQLite cannot even delete. The ballast is then given up, so that rows
that were delivered can be removed; nothing is accepted until it is back.
"""

import os
from pathlib import Path
from typing import Final

from tokferry_server.delivery.outbox.interface import OutboxFullError

_MOST_BALLAST: Final = 32 * 2**20
_BALLAST_SHARE: Final = 8


class Space:
    """The room that the outbox file has; ``short`` from a full disk on."""

    def __init__(self, path: Path, min_free_share: float) -> None:
        self._path = path
        self._wal = path.with_name(f"{path.name}-wal")
        self._ballast = ballast_file(path)
        self._share = 1.0 - min_free_share
        self.short = True
        self.restore()

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
        own = _size(self._path) + _size(self._wal) + _size(self._ballast)
        free = self._free()
        if own - reusable + size > self._share * (free + own):
            raise OutboxFullError(
                f"the outbox {self._path} has taken its share of the disk "
                f"({own >> 20} MiB, {free >> 20} MiB free): make room on the disk, "
                "or wait until more is delivered"
            )

    def give_up_ballast(self) -> None:
        """Free the ballast: the disk is full."""
        self.short = True
        self._ballast.unlink(missing_ok=True)

    def restore(self) -> bool:
        """Try to have the ballast again, and tell whether there was room for it."""
        wanted = min(_MOST_BALLAST, self._free() // _BALLAST_SHARE)
        have = _size(self._ballast)
        if have and have >= wanted:
            self.short = False
            return True
        if wanted < os.sysconf("SC_PAGE_SIZE"):
            return False
        try:
            _reserve(self._ballast, wanted)
        except OSError:
            self._ballast.unlink(missing_ok=True)
            return False
        self.short = False
        return True

    def _free(self) -> int:
        disk = os.statvfs(self._path.parent)
        return disk.f_bavail * disk.f_frsize


def ballast_file(path: Path) -> Path:
    """Give the path of the ballast."""
    return path.with_name(f"{path.name}.ballast")


def _size(path: Path) -> int:
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
