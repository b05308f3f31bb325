"""Small disks of a test's own, which it may fill and break."""

import contextlib
import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

_SHUT_DOWN: Final = 0x8004587D
_WITHOUT_LOG: Final = 2


@contextlib.contextmanager
def mounted(point: Path, *arguments: str | Path) -> Iterator[Path]:
    """Mount at a folder until left.

    Without the right to, the test is skipped; it fails where CI is `true`.
    """
    point.mkdir(exist_ok=True)
    _run("mount", *arguments, point)
    try:
        yield point
    finally:
        subprocess.run(["umount", "--lazy", point], check=True)


def in_memory(point: Path, mebibytes: int) -> contextlib.AbstractContextManager[Path]:
    """Mount a disk of so many MiB that forgets all in the end."""
    options = f"size={mebibytes}m,mode=700"
    return mounted(point, "-t", "tmpfs", "-o", options, "tokferry-test")


def make_image(image: Path, mebibytes: int) -> None:
    """Make a file that ``of_image`` can mount, again and again."""
    with image.open("xb") as file:
        file.truncate(mebibytes * 2**20)
    _run("mkfs.ext4", "-q", "-F", image)


@contextlib.contextmanager
def of_image(point: Path, image: Path) -> Iterator[Path]:
    """Mount an image as a disk that becomes read-only when something is wrong."""
    with mounted(point, "-o", "loop,errors=remount-ro", image):
        point.chmod(0o700)
        yield point


def fill_rest(disk: Path) -> Path:
    """Leave no room at all; gives the file to delete."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return filler


def make_read_only(disk: Path) -> None:
    """Let ext4 find an error: from then on whoever writes is told EROFS.

    By hand it cannot be remounted while files are open for writing:
    https://man7.org/linux/man-pages/man2/mount.2.html (EBUSY).
    """
    device = subprocess.check_output(["findmnt", "-no", "SOURCE", disk], text=True)
    name = Path(device.strip()).name
    Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("a test\n")


def cut_off(disk: Path) -> None:
    """Shut an ext4 down as if its power failed: EIO, and what was not synced is lost.

    ext4 has the call from XFS:
    https://man7.org/linux/man-pages/man2/ioctl_xfs_goingdown.2.html
    """
    descriptor = os.open(disk, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, _SHUT_DOWN, struct.pack("I", _WITHOUT_LOG))
    finally:
        os.close(descriptor)


def _run(*command: str | Path) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        error = done.stderr.strip() if done.returncode else ""
    except FileNotFoundError:
        error = f"there is no {command[0]}"
    if error:
        text = f"a disk of its own cannot be made: {error}"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
