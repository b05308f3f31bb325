"""Where an outbox file may be, who may read it, and that one process owns it."""

import fcntl
import os
import stat
from pathlib import Path
from typing import Final

from tokferry_server.delivery.outbox.interface import OutboxError

MOUNTS: Final = Path("/proc/self/mountinfo")

_NETWORK: Final = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "fuse.ceph",
        "fuse.gcsfuse",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "gfs2",
        "glusterfs",
        "lustre",
        "nfs",
        "nfs4",
        "ocfs2",
        "smb3",
        "smbfs",
    }
)
_OTHERS: Final = 0o077


class Ownership:
    """The lock on the side file of an outbox file, held until ``release``."""

    def __init__(self, path: Path) -> None:
        self._side = side_file(path)
        self._descriptor: int | None = _lock(self._side, path)

    def release(self) -> None:
        """Let another process have the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def remove(self) -> None:
        """Delete the side file, while the lock is held."""
        self._side.unlink(missing_ok=True)


def side_file(path: Path) -> Path:
    """Give the path of the file that is locked."""
    return path.with_name(f"{path.name}.lock")


def prepare(path: Path, *, mounts: Path = MOUNTS) -> None:
    """Make the folder and refuse one that cannot keep an outbox.

    Raises:
        OutboxError: it is on a network file system, or open to other users.
    """
    folder = path.parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = stat.S_IMODE(folder.stat().st_mode)
    except OSError as error:
        raise OutboxError(
            f"the folder {folder} of the outbox cannot be used: {error.strerror}"
        ) from None
    kind = file_system(folder, mounts)
    if kind in _NETWORK:
        raise OutboxError(
            f"{folder} is on a network file system ({kind}), which cannot keep an "
            "outbox safe: choose a folder on a local disk"
        )
    if mode & _OTHERS:
        raise OutboxError(
            f"the folder {folder} of the outbox is open to other users (mode "
            f"{mode:04o}): run chmod 700 on it, or name a folder that does not exist"
        )


def create(path: Path) -> None:
    """Make the file, readable by its owner only; SQLite's side files follow it.

    Raises:
        OutboxError: it cannot be made or written.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
        sync_folder(path.parent)
    except OSError as error:
        raise OutboxError(
            f"the outbox file {path} cannot be written: {error.strerror}"
        ) from None


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_system(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """Give the type of the file system of a folder, or ``None`` where none is told.

    https://www.kernel.org/doc/html/latest/filesystems/proc.html#proc-pid-mountinfo
    """
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    real = folder.resolve()
    best, found = -1, None
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(_unescape(before.split()[4]))
        if len(point.parts) >= best and real.is_relative_to(point):
            best, found = len(point.parts), after.split()[0]
    return found


def _unescape(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def _lock(side: Path, path: Path) -> int:
    while True:
        try:
            descriptor = os.open(side, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OutboxError(
                f"the outbox file {path} cannot be locked: {error.strerror}"
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _still_named(descriptor, side):
                return descriptor
        except OSError:
            os.close(descriptor)
            raise OutboxError(
                f"another process owns the outbox file {path}: stop it, or give this "
                "one a file of its own"
            ) from None
        os.close(descriptor)


def _still_named(descriptor: int, side: Path) -> bool:
    """Tell whether the locked file is still the one of that name, not a deleted one."""
    try:
        return os.path.samestat(os.fstat(descriptor), side.stat())
    except FileNotFoundError:
        return False
