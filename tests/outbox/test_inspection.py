"""What those who look after an outbox see of it, beyond what every engine offers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from outbox.made import HOUR, START, Clock, row, rows
from tokferry_server.delivery.outbox.interface import (
    Balance,
    DeadFilter,
    DeadGroup,
    Death,
    Replay,
    Reschedule,
)
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox
from tokferry_server.delivery.outbox.sqlite.shards import adopt_shards

ALL = DeadFilter()
DIGEST = "a" * 64


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def box(tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteOutbox]:
    path = tmp_path / "state" / "outbox.db"
    opened = await SqliteOutbox.open(path, clock=clock)
    yield opened
    await opened.close()


async def kill(
    box: SqliteOutbox, clock: Clock, number: int, *, label: str = "", body: str = "{}"
) -> int:
    """Put a row and give it up: reason A and code 1 if it is odd, else B and none."""
    new = replace(row(number, label=label), body=body.encode())
    (put,) = await box.put([new])
    assert put.id is not None
    death = Death(
        id=put.id,
        reason="A" if number % 2 else "B",
        code=1 if number % 2 else None,
        http_status=200,
        first_ambiguous_at=clock.now if number == 2 else None,
    )
    await box.kill([death], clock.now)
    return put.id


async def test_every_row_that_was_accepted_stays_counted(
    box: SqliteOutbox, clock: Clock
) -> None:
    ids = [put.id or 0 for put in await box.put(rows(1, 5))]
    await box.settle(ids[:2], clock.now)
    await box.kill([Death(id=ids[2], reason="A")], clock.now)
    again = Reschedule(
        id=ids[3], next_at=clock.now + 5, attempts=1, first_ambiguous_at=clock.now
    )
    await box.reschedule([again])
    clock.now += 49 * HOUR
    await box.prune()

    (balance,) = (await box.balance()).values()

    assert (await box.stats())["shop"].delivered_known == 0
    assert balance == Balance(
        pending=2,
        pending_bytes=18,
        ambiguous=1,
        oldest_created=START,
        dead=1,
        delivered=2,
    )
    assert balance.accepted == 5


async def test_the_rows_of_a_label_are_counted_apart(
    box: SqliteOutbox, clock: Clock
) -> None:
    mine = [put.id or 0 for put in await box.put(rows(1, 4, label="nightly"))]
    await box.put(rows(10, 3, label="other"))
    await box.put(rows(20, 3))
    await box.settle(mine[:1], clock.now)
    await box.kill([Death(id=mine[1], reason="A")], clock.now)

    assert await box.balance("nightly") == {
        "shop": Balance(
            pending=2, pending_bytes=18, oldest_created=START, dead=1, delivered=1
        )
    }
    assert await box.balance("none") == {}
    assert await box.balance("") == {}


async def test_dead_letters_are_grouped_by_connection_reason_and_code(
    box: SqliteOutbox, clock: Clock
) -> None:
    for number in range(1, 4):
        clock.now = START + number
        await kill(box, clock, number)

    groups = await box.dead_groups(ALL)

    assert sorted(groups, key=lambda one: one.reason) == [
        DeadGroup(
            connection="shop",
            reason="A",
            code=1,
            count=2,
            bytes=4,
            oldest=START + 1,
            newest=START + 3,
        ),
        DeadGroup(
            connection="shop",
            reason="B",
            code=None,
            count=1,
            bytes=2,
            oldest=START + 2,
            newest=START + 2,
        ),
    ]


@pytest.mark.parametrize(
    ("chosen", "numbers"),
    [
        (DeadFilter(reasons=("A", "C")), [1, 3]),
        (DeadFilter(reasons=("A", "B")), [1, 2, 3]),
        (DeadFilter(codes=(1, 2)), [1, 3]),
        (DeadFilter(codes=(2,)), []),
        (DeadFilter(ambiguous=True), [2]),
        (DeadFilter(ambiguous=False), [1, 3]),
        (DeadFilter(identity=DIGEST), [3]),
        (DeadFilter(identity="b" * 64), []),
        (DeadFilter(identity=DIGEST, reasons=("B",)), []),
    ],
)
async def test_dead_letters_are_chosen_by_what_is_known_of_them(
    box: SqliteOutbox, clock: Clock, chosen: DeadFilter, numbers: list[int]
) -> None:
    await kill(box, clock, 1, body=f'{{"order_id":"x{DIGEST}"}}')
    await kill(box, clock, 2)
    await kill(box, clock, 3, body=f'{{"user":{{"email":["{DIGEST}"]}}}}')

    found = await box.dead(chosen, limit=10)

    assert [one.event_id for one in found] == [f"id-{number}" for number in numbers]
    assert all(one.http_status == 200 for one in found)
    assert await box.purge(chosen) == len(numbers)
    assert sum((await box.count_dead(ALL)).values()) == 3 - len(numbers)


async def test_a_dry_run_of_a_replay_counts_and_changes_nothing(
    box: SqliteOutbox, clock: Clock
) -> None:
    for number in range(1, 4):
        await kill(box, clock, number)
    clock.now += 49 * HOUR

    counted = await box.replay(ALL, now=clock.now, limit=9, dry_run=True)

    assert counted == Replay(replayed=2, refused=1)
    assert sum((await box.count_dead(ALL)).values()) == 3
    assert await box.replay(ALL, now=clock.now, limit=9) == counted


async def test_a_replay_goes_on_where_the_last_one_stopped(
    box: SqliteOutbox, clock: Clock
) -> None:
    ids = [await kill(box, clock, number) for number in range(1, 6)]
    clock.now += 49 * HOUR

    first = await box.replay(ALL, now=clock.now, limit=2)
    second = await box.replay(ALL, now=clock.now, limit=2, after=first.reached)
    third = await box.replay(ALL, now=clock.now, limit=2, after=second.reached)

    assert (first.replayed, first.refused, second.replayed) == (2, 1, 2)
    assert ids[2] <= first.reached < ids[3]
    assert third == Replay(replayed=0)


async def test_ids_are_found_wherever_they_are(box: SqliteOutbox, clock: Clock) -> None:
    ids = [await kill(box, clock, number) for number in range(1, 6)]
    chosen = DeadFilter(ids=(ids[3], ids[1]))

    assert [one.id for one in await box.dead(chosen, limit=9)] == [ids[1], ids[3]]
    assert await box.purge(chosen) == 2


async def test_the_file_of_a_vanished_worker_brings_its_counts_along(
    box: SqliteOutbox, clock: Clock, tmp_path: Path
) -> None:
    shard = await SqliteOutbox.open(tmp_path / "state" / "gone.db", clock=clock)
    puts = await shard.put(rows(1, 3, label="nightly"))
    await shard.settle([put.id or 0 for put in puts[:2]], clock.now)
    await kill(shard, clock, 9)
    clock.now += 49 * HOUR
    await shard.prune()
    puts = await shard.put(rows(20, 1, label="nightly"))
    await shard.settle([put.id or 0 for put in puts], clock.now)
    await shard.close()

    await adopt_shards([shard.path], box)

    (balance,) = (await box.balance()).values()
    assert (balance.pending, balance.dead, balance.delivered) == (1, 1, 3)
    assert (await box.balance("nightly"))["shop"].delivered == 1
    assert [one.http_status for one in await box.dead(ALL, limit=9)] == [200]
