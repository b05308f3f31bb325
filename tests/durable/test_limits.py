"""How long events are tried: seven days, 47 hours, and max_event_age."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from durable.bench import OK, START, Bench, virtually
from tokferry_server.delivery.durable import Clock, Journal, Uptime
from tokferry_server.delivery.durable.limits import backoff
from tokferry_server.delivery.durable.uptime import read_uptime
from tokferry_server.tiktok.answer import Answer, Failure

HOUR, DAY = 3600.0, 86_400.0
REFUSED = Answer(failure=Failure.CONNECT)
LOST = Answer(failure=Failure.RESET)
DENIED = Answer(http_status=401, code=40105)


def _age(bench: Bench, **fields: float) -> None:
    """Make the only row look so many seconds old."""
    changes = {name: bench.wall() - age for name, age in fields.items()}
    bench.outbox.pending[1] = replace(bench.row(), **changes)


@pytest.mark.parametrize(("age", "sent"), [(47 * HOUR - 1, 1), (47 * HOUR, 0)])
@virtually
async def test_what_may_have_been_taken_is_sent_for_47_hours(
    age: float, sent: int
) -> None:
    bench = Bench()
    await bench.put(1)
    _age(bench, first_ambiguous_at=age)
    await bench.until(1)
    assert len(bench.posts) == len(bench.outbox.delivered) == sent
    assert bench.dead() == ({} if sent else {"0": "AMBIGUOUS_EXPIRED"})
    assert all(row.ambiguous for row in bench.outbox.dead_rows.values())


@virtually
async def test_an_outage_after_a_lost_answer_ends_at_47_hours() -> None:
    bench = Bench(lambda _ids: LOST)
    await bench.put(1)
    await bench.until(50)
    bench.answering = lambda _ids: REFUSED
    await bench.until(47 * HOUR)
    assert len(bench.outbox.pending) == 1
    await bench.until(47 * HOUR + 400)
    assert bench.dead() == {"0": "AMBIGUOUS_EXPIRED"}
    assert bench.posts[-1].at < 47 * HOUR


@virtually
async def test_isolation_does_not_go_on_beyond_47_hours() -> None:
    bench = Bench(
        lambda ids: Answer(http_status=200, code=40002) if "7" in ids else OK,
        takes=10.0,
    )
    await bench.put(32)
    for id_, row in bench.outbox.pending.items():
        since = bench.wall() - 47 * HOUR + 25
        bench.outbox.pending[id_] = replace(row, first_ambiguous_at=since)
    await bench.until(200)
    assert max(bench.times()) < 25
    assert set(bench.dead().values()) == {"AMBIGUOUS_EXPIRED"}


@pytest.mark.parametrize(("age", "dies"), [(7 * DAY - 2, False), (7 * DAY, True)])
@virtually
async def test_what_certainly_failed_is_tried_for_seven_days(
    age: float, dies: bool
) -> None:
    bench = Bench(lambda _ids: REFUSED)
    await bench.put(1)
    _age(bench, created=age)
    await bench.until(0.2)
    assert len(bench.posts) == 1
    assert bench.dead() == ({"0": "EXPIRED"} if dies else {})


@virtually
async def test_an_event_that_waited_long_is_tried_before_it_expires() -> None:
    bench = Bench()
    await bench.put(1)
    _age(bench, created=30 * DAY)
    await bench.until(1)
    assert len(bench.outbox.delivered) == 1


@virtually
async def test_time_in_which_a_connection_is_paused_does_not_count() -> None:
    bench = Bench(lambda _ids: DENIED, poll=60.0)
    await bench.put(1)
    await bench.until(10 * DAY)
    assert bench.row().waited == pytest.approx(10 * DAY, abs=600)
    bench.answering = lambda _ids: OK if bench.now < 10 * DAY + 300 else REFUSED
    await bench.put(1, first=1)
    await bench.until(10 * DAY + 200)
    assert bench.status().state == "RUNNING"
    await bench.until(10 * DAY + 300)
    await bench.put(1, first=2)
    waited = replace(bench.row(3), created=START, waited=10 * DAY)
    bench.outbox.pending[3] = waited
    await bench.until(16.9 * DAY)
    assert bench.dead() == {}
    await bench.until(17.1 * DAY)
    assert bench.dead() == {"2": "EXPIRED"}


@virtually
async def test_time_in_which_a_connection_waits_survives_a_restart(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path / "journal")
    bench = Bench(lambda _ids: DENIED, journal=journal, poll=60.0)
    await bench.put(1)
    await bench.until(1)
    bench.tokens["shop"] = ""
    await bench.until(DAY)
    await bench.worker.stop()
    bench.tokens["shop"] = "new"
    bench.answering = lambda _ids: REFUSED
    bench.journal = Journal(tmp_path / "journal")
    bench.start()
    bench.outbox.pending[1] = replace(bench.row(), created=START - 6.5 * DAY)
    await bench.until(DAY + 200)
    assert bench.dead() == {}
    assert bench.row().attempts > 0
    assert bench.row().waited == pytest.approx(DAY, abs=300)


@pytest.mark.parametrize(("age", "dies"), [(27.9, False), (28.1, True)])
@virtually
async def test_an_event_that_grows_too_old_while_it_waits_dies(
    age: float, dies: bool
) -> None:
    bench = Bench(max_event_age=28 * DAY)
    await bench.put(1)
    when = int((bench.wall() - age * DAY) * 1000)
    bench.outbox.pending[1] = replace(bench.row(), time_ms=when)
    await bench.until(1)
    assert bench.dead() == ({"0": "TOO_OLD"} if dies else {})
    assert len(bench.posts) == (0 if dies else 1)


@virtually
async def test_a_clock_set_back_gives_no_event_more_time() -> None:
    bench = Bench(lambda _ids: LOST)
    await bench.put(1)
    await bench.until(60)
    bench.offset = -DAY
    bench.answering = lambda _ids: REFUSED
    await bench.until(47 * HOUR + 400)
    assert bench.dead() == {"0": "AMBIGUOUS_EXPIRED"}


@virtually
async def test_a_clock_set_back_before_a_restart_gives_no_event_more_time(
    tmp_path: Path,
) -> None:
    bench = Bench(lambda _ids: LOST, journal=Journal(tmp_path / "journal"), poll=60.0)
    await bench.put(1)
    await bench.until(3 * HOUR)
    bench.offset = -DAY
    await bench.until(3 * HOUR + 120)
    await bench.worker.stop()
    await asyncio.sleep(HOUR)
    floor = Journal(tmp_path / "journal").floor(bench.clock)
    assert floor == pytest.approx(START + 4 * HOUR + 120, abs=120)


@virtually
async def test_a_first_try_in_the_future_means_that_the_time_is_unknown() -> None:
    bench = Bench()
    await bench.put(1)
    _age(bench, first_ambiguous_at=-HOUR)
    await bench.until(1)
    assert bench.dead() == {"0": "AMBIGUOUS_EXPIRED"}


def test_the_clock_follows_forward_and_never_runs_slow() -> None:
    mono, wall = [0.0], [1000.0]
    clock = Clock(monotonic=lambda: mono[0], wall=lambda: wall[0])
    clock.reach(900.0)
    assert clock.now() == 1000.0
    mono[0], wall[0] = 10.0, 500.0
    assert clock.now() == 1010.0
    wall[0] = 2000.0
    assert clock.now() == 2000.0
    mono[0], wall[0] = 15.0, 1500.0
    assert clock.now() == 2005.0


def test_backoff_is_jitter_below_a_ceiling_that_doubles() -> None:
    assert [backoff(tries, 1.0) for tries in (0, 1, 5, 8, 9, 10_000)] == [
        1.0,
        2.0,
        32.0,
        256.0,
        300.0,
        300.0,
    ]
    assert backoff(3, 0.25) == 2.0
    assert backoff(0, 0.5, least=30.0) == 30.0


def test_a_journal_counts_only_waits_within_the_time_asked_for(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    for start, end in ((10.0, 20.0), (30.0, 40.0)):
        journal.note("shop", waits=True, now=start)
        journal.note("shop", waits=False, now=end)
    journal.note("shop", waits=True, now=50.0)
    journal.keep(_standing(55.0))
    for one in (journal, Journal(tmp_path / "journal")):
        assert one.waited("shop", 15.0, 35.0) == 10.0
        assert one.waited("shop", 0.0, 60.0) == 30.0
        assert one.waited("shop", 20.0, 30.0) == 0.0
        assert one.waited("app", 0.0, 60.0) == 0.0


def test_a_journal_that_cannot_be_read_counts_as_empty(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    for text in ("", "[]", '{"seen": 1}', "\x00"):
        path.write_text(text)
        assert Journal(path).floor(_standing(5.0)) == 0.0


def test_a_clock_set_back_while_no_worker_runs_gives_no_event_more_time(
    tmp_path: Path,
) -> None:
    Journal(tmp_path / "journal").keep(_standing(100 * HOUR, uptime=HOUR))
    later = _standing(101 * HOUR, uptime=50 * HOUR)
    assert Journal(tmp_path / "journal").floor(later) == 149 * HOUR


@pytest.mark.parametrize("boot", ["another", ""])
@pytest.mark.parametrize(
    ("wall", "passed"), [(5 * HOUR, 5 * HOUR), (-HOUR / 4, 0.0), (-HOUR, 47 * HOUR)]
)
def test_after_a_restart_of_the_system_a_clock_set_back_tells_nothing(
    tmp_path: Path, boot: str, wall: float, passed: float
) -> None:
    Journal(tmp_path / "journal").keep(_standing(100 * HOUR, uptime=HOUR))
    later = _standing(100 * HOUR + wall, boot=boot)
    assert Journal(tmp_path / "journal").floor(later) == 100 * HOUR + passed


def test_a_clock_that_was_set_is_written_down_at_once(tmp_path: Path) -> None:
    mono, wall = [0.0], [100 * HOUR]
    clock = Clock(
        monotonic=lambda: mono[0],
        wall=lambda: wall[0],
        uptime=lambda: Uptime("one", mono[0]),
    )
    journal = Journal(tmp_path / "journal")
    journal.keep(clock)
    mono[0], wall[0] = 1.0, 90 * HOUR
    journal.keep(clock)
    mono[0], wall[0] = 11.0, 90 * HOUR + 10
    assert Journal(tmp_path / "journal").floor(clock) == 100 * HOUR + 11


def test_this_system_tells_its_starts_apart() -> None:
    one, two = read_uptime(), read_uptime()
    assert one.boot == two.boot != ""
    assert 0 < one.seconds <= two.seconds


def _standing(wall: float, *, boot: str = "one", uptime: float = 0.0) -> Clock:
    return Clock(
        monotonic=lambda: 0.0,
        wall=lambda: wall,
        uptime=lambda: Uptime(boot, uptime),
    )
