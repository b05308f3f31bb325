"""Where the file may be, who may read it, and that it has one owner."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from outbox.made import START, Clock, row, rows
from tokferry_server.delivery.outbox.interface import (
    Caps,
    DeadFilter,
    Death,
    OutboxError,
)
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox, adopt_shards, place

HOLD = """
import fcntl, os, sys
held = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(held, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox-1.sqlite3"


async def test_nobody_else_may_read_the_files(path: Path) -> None:
    box = await SqliteOutbox.open(path)
    await box.put(rows(0, 5))
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}
    await box.close()

    assert len(modes) == 4  # the file, its log, its lock and the ballast
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_folder_open_to_others_is_refused(path: Path) -> None:
    path.parent.mkdir(mode=0o755)
    with pytest.raises(OutboxError, match="chmod 700"):
        await SqliteOutbox.open(path)


async def test_a_second_opener_is_refused(path: Path) -> None:
    box = await SqliteOutbox.open(path)
    with pytest.raises(OutboxError, match="another process owns"):
        await SqliteOutbox.open(path)
    await box.close()
    box = await SqliteOutbox.open(path)
    await box.close()


async def test_a_file_that_another_process_owns_is_refused(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    command = [sys.executable, "-c", HOLD, str(place.side_file(path))]
    with subprocess.Popen(  # noqa: ASYNC220
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(OutboxError, match="another process owns"):
            await SqliteOutbox.open(path)
        child.communicate()
    box = await SqliteOutbox.open(path)
    await box.close()


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "9p"])
def test_a_network_file_system_is_refused(tmp_path: Path, kind: str) -> None:
    mounts = tmp_path / "mountinfo"
    folder = tmp_path / "a share"
    shown = str(folder).replace(" ", "\\040")
    mounts.write_text(
        "22 1 0:20 / / rw - ext4 /dev/vda rw\n"
        f"23 22 0:21 / {shown} rw,relatime shared:1 - {kind} host:/x rw\n"
    )
    with pytest.raises(OutboxError, match="network file system"):
        place.prepare(folder / "state" / "box", mounts=mounts)
    place.prepare(tmp_path / "local" / "box", mounts=mounts)


def test_without_a_list_of_mounts_any_folder_will_do(tmp_path: Path) -> None:
    assert place.file_system(tmp_path, tmp_path / "none") is None
    assert place.file_system(Path("/proc")) == "proc"


async def test_a_file_of_a_later_release_is_refused_and_left_alone(path: Path) -> None:
    await (await SqliteOutbox.open(path)).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 2")
    db.close()
    before = path.read_bytes()  # noqa: ASYNC240
    with pytest.raises(OutboxError, match="later release"):
        await SqliteOutbox.open(path)
    assert path.read_bytes() == before  # noqa: ASYNC240


async def test_a_file_that_is_no_outbox_is_refused(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE other (id)")
    db.close()
    with pytest.raises(OutboxError, match="no outbox"):
        await SqliteOutbox.open(path)
    path.write_bytes(b"not a database at all" * 500)  # noqa: ASYNC240
    with pytest.raises(OutboxError, match="cannot be opened"):
        await SqliteOutbox.open(path)


async def test_a_row_with_a_value_that_does_not_fit_spoils_no_other_call(
    path: Path,
) -> None:
    box = await SqliteOutbox.open(path)
    bad = [replace(row("bad"), time_ms=2**70)]
    results = await asyncio.gather(
        box.put(bad), *[box.put([row(n)]) for n in range(5)], return_exceptions=True
    )
    stats = await box.stats()
    await box.close()
    assert isinstance(results[0], OverflowError)
    assert stats["shop"].pending == 5


def shards(mine: Path) -> list[Path]:
    """Give the outbox files beside one."""
    return sorted(path for path in mine.parent.glob("*.sqlite3") if path != mine)


async def test_files_of_vanished_workers_are_taken_over(path: Path) -> None:
    clock = Clock()
    gone = path.with_name("outbox-2.sqlite3")
    other = await SqliteOutbox.open(gone, clock=clock)
    await other.put([*rows(0, 5, label="import-1"), row(9, connection="app")])
    ids = [one.id for one in await other.claim("shop", 9, START)]
    await other.settle(ids[:1], START)
    await other.kill([Death(id=ids[1], reason="A", code=40002)], START)
    await other.sending(ids[2:3], START + 1)
    await other.close()

    mine = await SqliteOutbox.open(path, clock=clock)
    clock.now += 10
    await mine.put([row(4), row("mine")])
    adopted = await adopt_shards(shards(path), mine)

    assert (adopted.files, adopted.pending) == (1, 3)
    assert (adopted.dead, adopted.delivered) == (1, 1)
    claimed = await mine.claim("shop", 9, START + 10)
    assert [one.event_id for one in claimed] == ["id-2", "id-3", "id-4", "id-mine"]
    assert claimed[0].first_ambiguous_at == START + 1
    assert claimed[0].position.label == "import-1"
    assert [one.event_id for one in await mine.claim("app", 9, clock.now)] == ["id-9"]
    assert [p.duplicate for p in await mine.put([row(0), row(1)])] == [True, True]
    (dead,) = await mine.dead(DeadFilter(), limit=5)
    assert (dead.event_id, dead.code, dead.died) == ("id-1", 40002, START)
    left = {one.name for one in path.parent.iterdir()}
    assert not {name for name in left if name.startswith(gone.name)}
    await mine.close()


async def test_a_file_in_use_or_too_large_is_not_taken_over(path: Path) -> None:
    mine = await SqliteOutbox.open(path, caps=Caps(max_rows=2))
    used = await SqliteOutbox.open(path.with_name("outbox-2.sqlite3"))
    gone = await SqliteOutbox.open(path.with_name("outbox-3.sqlite3"))
    await used.put([row("used")])
    await gone.put(rows(0, 3))
    await gone.close()

    adopted = await adopt_shards(shards(path), mine)

    assert (adopted.files, adopted.busy, adopted.left) == (0, 1, 1)
    again = await SqliteOutbox.open(path.with_name("outbox-3.sqlite3"))
    assert (await again.stats())["shop"].pending == 3
    assert await mine.stats() == {}
    for box in (mine, used, again):
        await box.close()


async def test_a_file_that_cannot_be_read_keeps_no_other_from_being_taken_over(
    path: Path,
) -> None:
    gone = await SqliteOutbox.open(path.with_name("outbox-3.sqlite3"))
    await gone.put(rows(0, 3))
    await gone.close()
    path.with_name("outbox-2.sqlite3").write_bytes(b"no outbox" * 1000)
    mine = await SqliteOutbox.open(path)

    adopted = await adopt_shards(shards(path), mine)

    assert (adopted.files, adopted.pending) == (1, 3)
    (error,) = adopted.errors
    assert "outbox-2.sqlite3" in str(error)
    await mine.close()


async def test_a_take_over_that_broke_off_stores_nothing_twice(path: Path) -> None:
    gone = path.with_name("outbox-2.sqlite3")
    other = await SqliteOutbox.open(gone)
    await other.put(rows(0, 3))
    await other.close()
    kept = gone.read_bytes()
    mine = await SqliteOutbox.open(path)
    await adopt_shards(shards(path), mine)
    gone.write_bytes(kept)  # as if the process had ended before it removed the rows

    adopted = await adopt_shards(shards(path), mine)

    assert (adopted.files, adopted.pending) == (1, 0)
    assert (await mine.stats())["shop"].pending == 3
    await mine.close()
