"""What the engine keeps where no call shows it at once."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from outbox.made import START, Clock, row, rows
from tokferry_server.delivery.outbox.interface import Caps, Death, Reschedule
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox, known_keys
from tokferry_server.delivery.outbox.sqlite.store import Store
from tokferry_server.delivery.outbox.sqlite.task import Kind


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "box"


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("synchronous", 2),  # FULL: the log is synced by every commit
        ("journal_mode", "wal"),
        ("locking_mode", "exclusive"),
        ("wal_autocheckpoint", 0),
        ("auto_vacuum", 2),
    ],
)
async def test_the_file_is_opened_to_be_safe(
    path: Path, pragma: str, value: object
) -> None:
    box = await SqliteOutbox.open(path)

    def ask(store: Store) -> object:
        return store.db.execute(f"PRAGMA {pragma}").fetchone()[0]

    assert await box.writer.submit(Kind.READ, ask) == value
    await box.close()


async def test_only_rows_whose_fate_was_not_written_come_back_as_uncertain(
    path: Path,
) -> None:
    box = await SqliteOutbox.open(path, clock=Clock())
    await box.put(rows(0, 5))
    ids = [one.id for one in await box.claim("shop", 9, START)]
    await box.sending(ids[:4], START + 1)
    await box.settle(ids[:1], START)
    await box.kill([Death(id=ids[1], reason="A")], START)
    await box.reschedule([Reschedule(id=ids[2], next_at=START, attempts=1)])
    await box.close()

    box = await SqliteOutbox.open(path, clock=Clock())
    claimed = await box.claim("shop", 9, START)
    await box.close()

    marked = {one.id: one.first_ambiguous_at for one in claimed}
    assert marked == {ids[2]: None, ids[3]: START + 1, ids[4]: None}
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM sending").fetchone() == (0,)
    db.close()


async def test_the_latest_time_is_kept_to_a_minute(path: Path) -> None:
    clock = Clock()
    box = await SqliteOutbox.open(path, clock=clock)
    await box.put([row(1)])
    for later in (90, 120):
        await box.claim("shop", 1, START + later)
        await box.prune()
    await box.close()

    clock.now = START - 86_400
    box = await SqliteOutbox.open(path, clock=clock)
    assert await box.latest() == START + 90
    await box.close()


async def test_a_claim_that_is_cancelled_takes_no_rows(path: Path) -> None:
    box = await SqliteOutbox.open(path, clock=Clock())
    await box.put(rows(0, 3))
    claim = asyncio.create_task(box.claim("shop", 9, START))
    await asyncio.sleep(0)
    claim.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claim
    for _ in range(50):
        if claimed := await box.claim("shop", 9, START):
            break
        await asyncio.sleep(0.01)
    await box.close()
    assert len(claimed) == 3


async def test_keys_that_are_in_the_table_are_not_kept_in_memory(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_keys, "COLLECT", 10)
    monkeypatch.setattr(known_keys, "SLICE", 4)
    box = await SqliteOutbox.open(path, clock=Clock())
    for number in range(40):
        await box.put([row(number)])
    await box.close()

    box = await SqliteOutbox.open(path, clock=Clock())
    kept = await box.writer.submit(Kind.READ, lambda store: len(store.keys._new))
    puts = await box.put(rows(0, 41))
    await box.close()
    assert 0 < kept <= 20
    assert [one.duplicate for one in puts] == [True] * 40 + [False]


async def test_the_table_of_keys_forgets_what_is_gone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_keys, "COLLECT", 10)
    box = await SqliteOutbox.open(path, caps=Caps(max_known_keys=5), clock=Clock())
    for number in range(400):
        await box.put([row(number)])
        (claimed,) = await box.claim("shop", 1, START)
        await box.settle([claimed.id], START + number)

    def count(store: Store) -> int:
        (number,) = store.db.execute("SELECT count(*) FROM known").fetchone()
        return int(number)

    table = await box.writer.submit(Kind.READ, count)
    await box.close()
    assert table <= 100
