"""A log that ends in the middle of a commit loses that commit and no other."""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from outbox.made import Clock, row
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox
from tokferry_server.delivery.outbox.sqlite.schema import PAGE_BYTES, connect

FRAME = PAGE_BYTES + 24
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


@dataclass(frozen=True)
class Log:
    """The files after several commits of a row each, and where each commit ended."""

    folder: Path
    ends: list[int]

    def cut(self, target: Path, size: int) -> None:
        shutil.copyfile(self.folder / "box", target)
        with (self.folder / "box-wal").open("rb") as file:
            target.with_name("box-wal").write_bytes(file.read(size))

    def sure(self, size: int) -> int:
        """Give how many rows were acknowledged by then."""
        return sum(end <= size for end in self.ends)


@pytest.fixture
async def log(tmp_path: Path) -> Log:
    return await written(tmp_path, commits=6)


async def written(tmp_path: Path, commits: int) -> Log:
    """Give the files after so many commits, none of which is in the main file yet."""
    path = tmp_path / "state" / "box"
    box = await SqliteOutbox.open(path, clock=Clock())
    ends = []
    for number in range(commits):
        await box.put([row(number)])
        ends.append(path.with_name("box-wal").stat().st_size)
    copy = tmp_path / "copy"
    copy.mkdir(mode=0o700)
    for name in ("box", "box-wal"):
        shutil.copyfile(path.with_name(name), copy / name)
    await box.close()
    assert len(set(ends)) == commits
    return Log(copy, ends)


def count(path: Path) -> int:
    db = connect(path)
    (number,) = db.execute("SELECT count(*) FROM pending").fetchone()
    db.close()
    return int(number)


def check(log: Log, sizes: Iterable[int], folder: Path) -> None:
    """Open the files with logs of these sizes."""
    folder.mkdir(mode=0o700)
    for size in sizes:
        log.cut(folder / "box", size)
        assert count(folder / "box") == log.sure(size), size


def test_a_log_cut_around_a_frame_keeps_whole_commits(log: Log, tmp_path: Path) -> None:
    first = log.ends[2]
    frames = range(first, log.ends[-1] + 1, FRAME)
    around = [end + by for end in frames for by in (-1, 0, 1, 24, 2000)]
    check(log, [size for size in around if size <= log.ends[-1]], tmp_path / "cut")


async def test_the_outbox_opens_with_a_cut_log_and_goes_on(
    log: Log, tmp_path: Path
) -> None:
    for turn, size in enumerate((0, 31, log.ends[2] + 100, log.ends[-1] - 1)):
        folder = tmp_path / f"cut-{turn}"
        folder.mkdir(mode=0o700)
        log.cut(folder / "box", size)
        box = await SqliteOutbox.open(folder / "box", clock=Clock())
        puts = await box.put([row(number) for number in range(6)])
        await box.close()
        assert [one.duplicate for one in puts].count(True) == log.sure(size)


@pytest.mark.gate
@pytest.mark.timeout(600)
def test_a_log_cut_at_every_byte_keeps_whole_commits(log: Log) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        check(log, range(log.ends[2], log.ends[-1] + 1), Path(folder) / "cut")


@pytest.mark.gate
@pytest.mark.timeout(300)
async def test_a_long_log_cut_anywhere_keeps_whole_commits(tmp_path: Path) -> None:
    log = await written(tmp_path, commits=300)
    places = random.Random(7)
    sizes = [places.randrange(log.ends[-1]) for _ in range(2_000)]
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        check(log, sizes, Path(folder) / "cut")


@pytest.mark.gate
def test_a_flipped_bit_in_the_log_is_found(log: Log, tmp_path: Path) -> None:
    folder = tmp_path / "flip"
    folder.mkdir(mode=0o700)
    for place in range(log.ends[2], log.ends[-1], 97):
        log.cut(folder / "box", log.ends[-1])
        wal = folder / "box-wal"
        data = bytearray(wal.read_bytes())
        data[place] ^= 0x10
        wal.write_bytes(data)
        try:
            found = count(folder / "box")
        except sqlite3.DatabaseError:
            continue
        assert log.sure(place) <= found <= 6
