"""How a worker begins, ends and fails, and what it says of itself."""

import asyncio
import logging
from pathlib import Path
from unittest import mock

import pytest

from durable.bench import OK, ROUTE, Bench, virtually
from tokferry_server.delivery.durable import Journal, PauseFolder
from tokferry_server.delivery.isolate import Isolation
from tokferry_server.delivery.outbox.interface import OutboxBrokenError, OutboxError
from tokferry_server.tiktok.answer import Answer
from tokferry_server.tiktok.wire import Route


@virtually
async def test_a_stop_finishes_what_is_under_way_and_leaves_the_rest() -> None:
    bench = Bench(takes=2.0)
    await bench.put(2500)
    await bench.until(1)
    await bench.worker.stop()
    assert bench.now == pytest.approx(2.0)
    assert len(bench.posts) == 1
    assert len(bench.outbox.delivered) == 1000
    assert len(bench.outbox.pending) == 1500
    assert not bench.outbox.claimed
    await bench.run


@virtually
async def test_a_stop_ends_an_isolation_after_its_request() -> None:
    bench = Bench(
        lambda ids: Answer(http_status=200, code=40002) if "40" in ids else OK,
        takes=1.0,
    )
    await bench.put(64)
    await bench.until(2.5)
    await bench.worker.stop()
    assert bench.now == pytest.approx(3.0)
    rows = bench.outbox.pending.values()
    assert 0 < len(rows) < 64
    assert {(row.attempts, row.first_ambiguous_at) for row in rows} == {(0, None)}
    assert bench.dead() == {}
    assert not bench.outbox.claimed


@virtually
async def test_a_second_worker_takes_up_what_the_first_left() -> None:
    bench = Bench()
    await bench.worker.stop()
    await bench.put(3)
    await bench.until(1)
    assert bench.posts == []
    bench.start()
    await bench.until(2)
    assert len(bench.outbox.delivered) == 3


@virtually
async def test_requests_hold_one_route_and_the_stored_bytes() -> None:
    bench = Bench()
    test = Route(
        wire_format="events_2",
        event_source="web",
        event_source_id="C4MADEUP",
        test_event_code="TEST1",
    )
    await bench.put(2, route=ROUTE)
    await bench.put(2, route=test, first=2)
    await bench.until(1)
    bodies = sorted(post.body for post in bench.posts)
    assert [sorted(post.ids) for post in bench.posts] == [["0", "1"], ["2", "3"]]
    assert b'[{"event_id":"0"},{"event_id":"1"}]' in bodies[0] + bodies[1]
    assert [b"TEST1" in post.body for post in bench.posts] == [False, True]


@virtually
async def test_a_connection_that_the_settings_lack_waits_and_is_reported() -> None:
    bench = Bench()
    await bench.put(3, "former")
    await bench.until(70)
    assert bench.worker.status().unknown == {"former": 3}
    assert bench.posts == []
    bench.names, bench.tokens = ("former",), {"former": "a-made-up-token"}
    bench.paces["former"] = bench.paces["shop"]
    bench.connections["former"] = bench._connection("former")
    await bench.until(200)
    assert bench.worker.status().unknown == {}
    assert len(bench.outbox.delivered) == 3


@virtually
async def test_a_connection_that_is_removed_gives_its_rows_back() -> None:
    bench = Bench(takes=5.0)
    await bench.put(3000)
    await bench.until(1)
    del bench.connections["shop"]
    await bench.until(100)
    assert len(bench.outbox.delivered) == 1000
    assert not bench.outbox.claimed
    assert bench.worker.status().unknown == {"shop": 2000}


@virtually
async def test_full_dead_letters_stop_a_connection_and_lose_nothing() -> None:
    bench = Bench(lambda ids: Answer(http_status=200, code=40002) if "0" in ids else OK)
    bench.outbox.max_dead = 0
    await bench.put(2)
    await bench.until(10)
    status = bench.status()
    assert (status.state, status.reason) == ("PAUSED", "DEAD_LETTERS_FULL")
    await bench.put(5, first=2)
    sent = len(bench.posts)
    await bench.until(300)
    assert len(bench.posts) == sent
    assert len(bench.outbox.pending) == 6
    bench.outbox.max_dead = 10
    await bench.until(400)
    assert bench.dead() == {"0": "INVALID_EVENT"}
    assert len(bench.outbox.delivered) == 6


@virtually
async def test_a_broken_outbox_ends_the_worker() -> None:
    bench = Bench()

    async def gate(name: str) -> None:
        if name == "before settle":
            raise OutboxBrokenError("the disk is gone")

    bench.outbox.gate = gate
    await bench.put(1)
    with pytest.raises(OutboxBrokenError, match="the disk is gone"):
        await bench.run
    await bench.worker.stop()
    assert len(bench.posts) == 1


@virtually
async def test_a_full_disk_delays_the_settling_and_sends_nothing_twice() -> None:
    bench = Bench()

    async def gate(name: str) -> None:
        if name == "before settle" and bench.now < 100:
            raise OutboxError("the disk is full")

    bench.outbox.gate = gate
    await bench.put(4)
    await bench.until(200)
    assert len(bench.posts) == 1
    assert len(bench.outbox.delivered) == 4


@virtually
async def test_a_poster_that_raises_leaves_events_in_doubt(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def explode(_ids: list[str]) -> Answer:
        raise RuntimeError("user@example.com")

    bench = Bench(explode, random=0.9)
    with caplog.at_level(logging.DEBUG):
        await bench.put(1)
        await bench.until(0.5)
    assert bench.row().first_ambiguous_at is not None
    assert "RuntimeError" in caplog.text
    assert "example.com" not in caplog.text


@virtually
async def test_the_process_may_end_between_post_and_answer() -> None:
    bench = Bench(takes=50.0)
    await bench.put(2)
    await bench.until(1)
    bench.run.cancel()
    bench.outbox.forget_claims()
    assert {row.first_ambiguous_at for row in bench.outbox.pending.values()} == {
        bench.posts[0].at + bench.wall() - bench.now
    }


@virtually
async def test_the_books_of_a_worker_balance() -> None:
    answers = iter(
        [
            Answer(http_status=200, code=50000),
            Answer(http_status=200, code=40100),
            Answer(http_status=200, code=40202),
        ]
    )

    def answering(ids: list[str]) -> Answer:
        if "3" not in ids:
            return OK
        bad = Answer(http_status=200, code=40002, index=ids.index("3"))
        return next(answers, bad)

    bench = Bench(answering)
    await bench.put(2000)
    await bench.until(60)
    counts = bench.status().counts
    assert (counts.delivered, counts.dead) == (1999, 1)
    assert counts.retried == 3000
    ends = counts.delivered + counts.dead + counts.retried + counts.released
    assert counts.received == ends
    assert counts.requests["SERVER_ERROR"] == 1
    assert counts.requests.total() == len(bench.posts)
    last = bench.status().last
    assert last is not None
    assert (last.name, last.code, last.http_status) == ("DELIVERED", 0, 200)


@virtually
async def test_a_lowered_cap_is_remembered() -> None:
    large = Answer(http_status=413)
    bench = Bench(lambda ids: large if len(ids) > 300 else OK)
    await bench.put(1000)
    await bench.until(10)
    before = len(bench.posts)
    await bench.put(500, first=1000)
    await bench.until(20)
    assert [len(post.ids) for post in bench.posts[before:]] == [250, 250]
    assert len(bench.outbox.delivered) == 1500


@virtually
async def test_a_wake_is_enough_to_be_sent_at_once() -> None:
    bench = Bench()
    await bench.until(1234.5)
    await bench.put(1)
    await asyncio.sleep(0.001)
    assert bench.times() == [1234.5]


@virtually
async def test_a_defect_costs_a_try_and_not_the_worker(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench(random=0.9)
    with mock.patch.object(Isolation, "run", side_effect=KeyError("user@example.com")):
        await bench.put(2)
        await bench.until(0.5)
    row = bench.row()
    assert (row.attempts, row.first_ambiguous_at) == (1, bench.wall() - bench.now)
    assert "KeyError" in caplog.text
    assert "example.com" not in caplog.text
    await bench.until(5)
    assert len(bench.outbox.delivered) == 2


@virtually
async def test_a_state_folder_that_fails_does_not_stop_deliveries(
    tmp_path: Path,
) -> None:
    pauses = PauseFolder(tmp_path / "pauses")
    journal = Journal(tmp_path / "journal")
    pauses.pause("app", "by hand")
    bench = Bench(names=("shop", "app"), pauses=pauses, journal=journal)
    await bench.until(2)
    full = OSError(28, "No space left on device")
    with (
        mock.patch.object(PauseFolder, "paused", side_effect=full),
        mock.patch.object(Journal, "write", side_effect=full),
    ):
        await bench.put(1, "shop")
        await bench.put(1, "app")
        await bench.until(200)
    assert (bench.times("shop"), bench.times("app")) == ([2.0], [])
    pauses.resume("app")
    await bench.until(210)
    assert len(bench.outbox.delivered) == 2
