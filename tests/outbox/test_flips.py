"""A bit that the disk changes is noticed, or changes nothing that is sent."""

from __future__ import annotations

import random
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from outbox.made import APP, START, Clock, row
from tokferry_server.delivery.outbox.interface import DeadFilter, OutboxError, Row
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox, space
from tokferry_server.delivery.outbox.sqlite.shards import adopt_shards

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
ROWS = [row(n, body=f'{{"n":{n},"x":"{"x" * 300}"}}'.encode()) for n in range(40)]
ROWS += [row(n, route=APP, connection="app") for n in range(40, 60)]
CONNECTIONS = ("shop", "app")


@pytest.fixture
async def folder(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """Give a folder in which a file with all rows was closed as `whole/box`."""
    monkeypatch.setattr(space, "MOST_BALLAST", 2**16)
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        box = await SqliteOutbox.open(Path(name) / "whole" / "box", clock=Clock())
        await box.put(ROWS)
        await box.close()
        yield Path(name)


def damaged(folder: Path, damage: Callable[[bytearray], None]) -> Path:
    target = folder / "damaged"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(mode=0o700)
    data = bytearray((folder / "whole" / "box").read_bytes())
    damage(data)
    (target / "box").write_bytes(data)
    return target / "box"


async def look(path: Path) -> tuple[list[Row], int]:
    """Claim everything; gives the rows, and how many are dead as damaged."""
    box = await SqliteOutbox.open(path, clock=Clock())
    try:
        return await all_of(box)
    finally:
        await box.close()


async def look_after_a_take_over(path: Path) -> tuple[list[Row], int]:
    """Do so in the outbox of another worker that takes the file over."""
    into = path.parent / "into"
    into.mkdir(mode=0o700)
    box = await SqliteOutbox.open(into / "box", clock=Clock())
    try:
        for error in (await adopt_shards([path], box)).errors:
            raise error
        return await all_of(box)
    finally:
        await box.close()


async def all_of(box: SqliteOutbox) -> tuple[list[Row], int]:
    claimed = [r for name in CONNECTIONS for r in await box.claim(name, 99, START)]
    dead = (await box.count_dead(DeadFilter())).get("DAMAGED", 0)
    assert len(await box.dead(DeadFilter(), limit=99)) == dead
    return claimed, dead


def check(claimed: list[Row]) -> None:
    """Every row is one that was put, with its very bytes and its route."""
    put = {(one.event_id, one.event, one.body) for one in ROWS}
    sources = {one.event_id: one.route.event_source_id for one in ROWS}
    for one in claimed:
        assert (one.event_id, one.event, one.body) in put
        assert one.route.event_source_id == sources[one.event_id]


def anywhere(data: bytearray, chance: random.Random) -> int:
    return chance.randrange(len(data))


def before_a_text(data: bytearray, chance: random.Random) -> int:
    """Give a place where a row's id and the types of its values are."""
    event = chance.choice(list(re.finditer(rb"Purchaseid-", data)))
    return event.start() - chance.randrange(1, 48)


async def flip_many(
    folder: Path,
    number: int,
    seed: int,
    place: Callable[[bytearray, random.Random], int] = anywhere,
    look: Callable[[Path], Awaitable[tuple[list[Row], int]]] = look,
) -> Counter[str]:
    """Flip a bit of the file, over and over; gives how often what became of it."""
    found: Counter[str] = Counter()
    chance = random.Random(seed)
    for _ in range(number):

        def flip(data: bytearray) -> None:
            data[place(data, chance)] ^= 1 << chance.randrange(8)

        try:
            claimed, dead = await look(damaged(folder, flip))
        except OutboxError:
            found["refused"] += 1
            continue
        check(claimed)
        found["dead letter" if dead else "harmless"] += 1
        found["hidden"] += len(claimed) + dead < len(ROWS)
    return found


async def test_a_flipped_bit_of_the_file_sends_nothing_else(folder: Path) -> None:
    found = await flip_many(folder, 60, seed=1)
    assert found.total() >= 60


@pytest.mark.parametrize(
    "number",
    [
        60,
        pytest.param(600, marks=pytest.mark.gate),
        pytest.param(5_000, marks=[pytest.mark.long, pytest.mark.timeout(1200)]),
    ],
)
@pytest.mark.parametrize("look", [look, look_after_a_take_over])
async def test_a_row_of_a_damaged_type_or_id_becomes_a_dead_letter_or_is_refused(
    folder: Path,
    number: int,
    look: Callable[[Path], Awaitable[tuple[list[Row], int]]],
) -> None:
    found = await flip_many(folder, number, number, before_a_text, look)
    assert min(found["refused"], found["dead letter"]) > number / 5


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(500, marks=pytest.mark.gate),
        pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(1200)]),
    ],
)
async def test_no_flipped_bit_of_the_file_sends_anything_else(
    folder: Path, number: int
) -> None:
    found = await flip_many(folder, number, seed=number)
    assert min(found["refused"], found["dead letter"], found["harmless"]) > 5


async def test_a_changed_body_becomes_a_dead_letter_and_is_never_sent(
    folder: Path,
) -> None:
    def change(data: bytearray) -> None:
        place = data.index(b'{"n":7,"x"')
        data[place + 5] = ord("8")

    path = damaged(folder, change)
    claimed, dead = await look(path)
    check(claimed)
    assert (len(claimed), dead) == (59, 1)

    box = await SqliteOutbox.open(path, clock=Clock())
    await box.replay(DeadFilter(), now=START, limit=1)
    await box.claim("shop", 99, START)
    (letter,) = await box.dead(DeadFilter(), limit=9)
    await box.close()
    assert (letter.reason, letter.event_id, letter.replays) == ("DAMAGED", "id-7", 1)


async def test_text_that_is_none_any_more_becomes_a_dead_letter(folder: Path) -> None:
    def change(data: bytearray) -> None:
        place = data.index(b"Purchaseid-11")
        data[place] = 0xFF

    claimed, dead = await look(damaged(folder, change))
    check(claimed)
    assert (len(claimed), dead) == (59, 1)
