"""On a full disk nothing is accepted, nothing is lost, and it goes on by itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from disk import fill_rest, in_memory
from outbox.made import START, Clock, row, rows
from tokferry_server.delivery.durable import Worker, WorkerConnection
from tokferry_server.delivery.failpoints import VARIABLE
from tokferry_server.delivery.outbox.interface import (
    Caps,
    Death,
    NewRow,
    OutboxError,
    OutboxFullError,
    Reschedule,
    State,
)
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox
from tokferry_server.delivery.outbox.sqlite.space import Space
from tokferry_server.delivery.pace import AppPace, TokenBucket
from tokferry_server.tiktok.answer import Answer

OPEN_CAPS = Caps(min_free_share=0.0)


@pytest.fixture(params=[8])
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Give a disk of 8 MiB, or as many as are asked for."""
    with in_memory(tmp_path / "disk", request.param) as point:
        yield point


def remount(disk: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", disk], check=True)


def big(first: int, number: int) -> list[NewRow]:
    return [row(n, body=b"x" * 2000) for n in range(first, first + number)]


async def fill(box: SqliteOutbox) -> int:
    """Put until it is refused; gives how many rows were taken."""
    number = 0
    while True:
        try:
            await box.put(big(number, 50))
        except OutboxFullError:
            return number
        number += 50


async def accepted_again(box: SqliteOutbox) -> None:
    for turn in range(100):
        try:
            await box.put([row(f"again-{turn}")])
        except OutboxFullError:
            await asyncio.sleep(0.05)
        else:
            return
    pytest.fail("nothing is accepted though there is room")


async def test_a_full_disk_refuses_rows_and_delivers_what_it_has(disk: Path) -> None:
    box = await SqliteOutbox.open(disk / "box", caps=OPEN_CAPS, clock=Clock())
    number = await fill(box)
    assert number > 1000

    delivered: list[str] = []
    while claimed := await box.claim("shop", 200, START):
        await box.settle([one.id for one in claimed], START)
        delivered += [one.event_id for one in claimed]

    assert delivered == [one.event_id for one in big(0, number)]
    await accepted_again(box)
    await box.close()
    box = await SqliteOutbox.open(disk / "box", caps=OPEN_CAPS, clock=Clock())
    claimed = await box.claim("shop", 9999, START)
    await box.close()
    assert [one.event_id.startswith("id-again") for one in claimed] == [True]


async def test_delivered_rows_are_not_sent_again_while_they_cannot_be_removed(
    disk: Path,
) -> None:
    box = await SqliteOutbox.open(disk / "box", caps=OPEN_CAPS, clock=Clock())
    assert await box.has_room()
    await fill(box)
    claimed = await box.claim("shop", 400, START)
    filler = fill_rest(disk)
    pending = (await box.stats())["shop"].pending
    ids = [one.id for one in claimed]

    for start in range(0, len(ids), 100):
        await box.settle(ids[start : start + 100], START)

    (put,) = await box.put(big(0, 1))
    assert put.state is State.DELIVERED
    more = await box.claim("shop", 9999, START)
    assert not {one.id for one in more} & set(ids)
    with pytest.raises(OutboxFullError):
        await box.put([row("new")])
    assert not await box.has_room()
    filler.unlink(missing_ok=True)
    await accepted_again(box)
    assert await box.has_room()
    assert (await box.stats())["shop"].pending < pending - 300
    await box.close()


class Counting:
    """A TikTok that takes everything and counts how often."""

    def __init__(self) -> None:
        self.sent: Counter[bytes] = Counter()

    async def post(self, path: str, token: str, body: bytes, **_: object) -> Answer:
        del path, token
        self.sent.update(re.findall(rb'"n":"(\d+)"', body))
        await asyncio.sleep(0.001)
        return Answer(http_status=200, code=0)


def numbered(first: int, number: int) -> list[NewRow]:
    return [
        row(n, body=b'{"n":"%d","x":"%s"}' % (n, b"x" * 2000))
        for n in range(first, first + number)
    ]


@pytest.mark.parametrize(
    "disk", [8, pytest.param(32, marks=pytest.mark.gate)], indirect=True
)
async def test_a_worker_goes_on_when_there_is_room_again(disk: Path) -> None:
    box = await SqliteOutbox.open(disk / "box", caps=OPEN_CAPS)
    taken = 0
    with contextlib.suppress(OutboxFullError):
        while True:
            await box.put(numbered(taken, 50))
            taken += 50
    filler = fill_rest(disk)
    tiktok = Counting()
    worker = Worker(
        outbox=box,
        connections={
            "shop": WorkerConnection(
                poster=tiktok,
                token=lambda: "a-made-up-token",
                pace=AppPace(bucket=TokenBucket(1e9)),
                concurrency=8,
                max_event_age=None,
            )
        },
    )
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(2)
    filler.unlink(missing_ok=True)
    for _ in range(1_200):
        if not (await box.stats())["shop"].pending:
            break
        await asyncio.sleep(0.05)
    await accepted_again(box)
    await worker.stop()
    await running
    await box.close()

    assert len(tiktok.sent) == taken
    assert max(tiktok.sent.values()) <= 2
    box = await SqliteOutbox.open(disk / "box", caps=OPEN_CAPS)
    left = (await box.stats())["shop"].pending
    await box.close()
    assert left <= 1  # what was accepted again


async def test_the_outbox_keeps_to_its_share_of_the_disk(disk: Path) -> None:
    caps = Caps(min_free_share=0.5)
    box = await SqliteOutbox.open(disk / "box", caps=caps, clock=Clock())
    await fill(box)
    await box.close()
    used = os.statvfs(disk)
    assert used.f_bavail / used.f_blocks > 0.4


async def test_delivered_keys_give_way_to_new_rows(disk: Path) -> None:
    (disk / "of others").write_bytes(bytes(5 * 2**20))
    box = await SqliteOutbox.open(disk / "box", clock=Clock())
    for first in range(0, 20_000, 1_000):
        await box.put(rows(first, 1_000))
        claimed = await box.claim("shop", 1_000, START)
        await box.settle([one.id for one in claimed], START)
    remembered = await box.put(rows(19_000, 1_000))
    await box.close()
    assert all(put.duplicate for put in remembered)


async def test_a_read_only_disk_is_not_taken_for_a_full_one(disk: Path) -> None:
    space = Space(disk / "box", 0.0)
    remount(disk, "ro")
    assert not space.refuses()


async def test_without_room_each_call_does_what_it_promises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state" / "box"
    monkeypatch.setenv(VARIABLE, "outbox.before_commit=enospc@2")
    box = await SqliteOutbox.open(path, clock=Clock())
    await box.put(rows(0, 4))
    one, two, three, four = [r.id for r in await box.claim("shop", 4, START)]

    with pytest.raises(OutboxFullError, match="make room"):
        await box.put([row("new")])
    with pytest.raises(OutboxFullError, match="make room"):
        await box.kill([Death(id=one, reason="A")], START)
    await box.settle([two], START)
    await box.reschedule([Reschedule(id=three, next_at=START, attempts=1)])

    assert await box.claim("shop", 9, START) == []
    await box.close()
    monkeypatch.delenv(VARIABLE)
    box = await SqliteOutbox.open(path, clock=Clock())
    again = await box.claim("shop", 9, START)
    await box.close()
    assert [r.id for r in again] == [one, two, three, four]


async def test_a_read_only_disk_is_refused_and_keeps_its_rows(disk: Path) -> None:
    box = await SqliteOutbox.open(disk / "box", caps=OPEN_CAPS, clock=time.time)
    await box.put([row(1)])
    await box.close()
    remount(disk, "ro")
    with pytest.raises(OutboxError, match="Read-only file system"):
        await SqliteOutbox.open(disk / "box")
    remount(disk, "rw")
    box = await SqliteOutbox.open(disk / "box")
    (put,) = await box.put([row(1)])
    await box.close()
    assert put.duplicate
