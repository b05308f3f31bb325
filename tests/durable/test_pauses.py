"""Pauses: by TikTok's answers, by a missing token, by an operator."""

from pathlib import Path

import pytest

from durable.bench import OK, START, Bench, virtually
from tokferry_server.delivery.durable import PauseFolder
from tokferry_server.tiktok.answer import Answer

DENIED = Answer(http_status=401, code=40105)
INVALID = Answer(http_status=200, code=40002)


@virtually
async def test_a_paused_connection_is_probed_once_a_minute_by_one_event() -> None:
    bench = Bench(lambda _ids: DENIED)
    await bench.put(500)
    await bench.until(200)
    assert bench.times() == [0.0, 60.1, 120.1, 180.1]
    assert [len(post.ids) for post in bench.posts] == [500, 1, 1, 1]
    bench.answering = lambda _ids: OK
    await bench.until(245)
    assert bench.status().state == "RUNNING"
    assert len(bench.outbox.delivered) == 500
    assert len(bench.posts) == 7


@virtually
async def test_a_new_token_is_tried_at_once() -> None:
    bench = Bench()
    bench.answering = lambda _ids: OK if bench.posts[-1].token == "new" else DENIED
    await bench.put(3)
    await bench.until(20)
    bench.tokens["shop"] = "new"
    await bench.until(22)
    assert len(bench.outbox.delivered) == 3
    assert [post.token for post in bench.posts] == ["a-made-up-token", "new", "new"]
    assert bench.status().state == "RUNNING"


@virtually
async def test_an_answer_to_the_former_token_pauses_nothing() -> None:
    bench = Bench(takes=5.0)
    bench.answering = lambda ids: DENIED if "0" in ids and bench.now < 6 else OK
    await bench.put(1)
    await bench.until(1)
    bench.tokens["shop"] = "new"
    await bench.until(5.5)
    assert bench.status().state == "RUNNING"
    await bench.until(12)
    assert len(bench.outbox.delivered) == 1


@virtually
async def test_the_requests_of_an_isolation_take_up_a_new_token() -> None:
    bench = Bench(takes=2.0)
    known = {"a-made-up-token"}

    def answering(ids: list[str]) -> Answer:
        if bench.posts[-1].token not in known:
            return DENIED
        return INVALID if "0" in ids else OK

    bench.answering = answering
    await bench.put(8)
    await bench.until(1)
    known.add("new")
    bench.tokens["shop"] = "new"
    await bench.until(2.5)
    known.remove("a-made-up-token")
    await bench.until(30)
    assert [post.token for post in bench.posts][:2] == ["a-made-up-token", "new"]
    assert len(bench.outbox.delivered) == 7
    assert bench.dead() == {"0": "INVALID_EVENT"}


@virtually
async def test_a_probe_that_proves_nothing_leaves_the_pause() -> None:
    bench = Bench(lambda _ids: DENIED)
    await bench.put(1)
    await bench.until(30)
    bench.answering = lambda _ids: Answer(http_status=500)
    await bench.until(90)
    assert bench.status().state == "PAUSED"
    assert bench.status().reason == "CONNECTION_AUTH"


@virtually
async def test_without_a_token_nothing_is_sent_and_nothing_dies() -> None:
    bench = Bench(tokens={"shop": ""}, poll=60.0)
    await bench.put(2)
    await bench.until(9 * 86_400)
    assert bench.status().state == "NO_TOKEN"
    assert bench.posts == []
    bench.tokens["shop"] = "not visible ASCII \n"
    await bench.until(9 * 86_400 + 65)
    assert bench.status().state == "NO_TOKEN"
    bench.tokens["shop"] = "new"
    await bench.until(9 * 86_400 + 130)
    assert len(bench.outbox.delivered) == 2


@virtually
async def test_a_suspected_connection_goes_on_once_some_event_is_taken() -> None:
    bench = Bench(lambda _ids: INVALID)
    await bench.put(100)
    await bench.until(500)
    assert bench.status().reason == "CONNECTION_SUSPECTED"
    assert (len(bench.outbox.pending), bench.dead()) == (100, {})
    bench.answering = lambda ids: INVALID if "7" in ids else OK
    await bench.until(1200)
    assert bench.dead() == {"7": "INVALID_EVENT"}
    assert len(bench.outbox.delivered) == 99


@virtually
async def test_a_lone_probe_of_a_suspected_connection_does_not_die() -> None:
    bench = Bench(lambda _ids: INVALID)
    await bench.put(2)
    await bench.until(1000)
    assert bench.status().reason == "CONNECTION_SUSPECTED"
    assert len(bench.outbox.pending) == 2


@virtually
async def test_a_few_bad_events_do_not_speak_against_a_connection_that_delivers() -> (
    None
):
    bench = Bench()
    await bench.put(5)
    await bench.until(1)
    bench.answering = lambda _ids: INVALID
    await bench.put(2, first=5)
    await bench.until(2)
    assert bench.dead() == {"5": "INVALID_EVENT", "6": "INVALID_EVENT"}
    await bench.put(60, first=7)
    await bench.until(9)
    assert bench.status().reason == "CONNECTION_SUSPECTED"
    assert len(bench.outbox.pending) == 60


@virtually
async def test_an_operator_can_vouch_for_a_suspected_connection(
    tmp_path: Path,
) -> None:
    pauses = PauseFolder(tmp_path / "paused", wall=lambda: START)
    bench = Bench(lambda _ids: INVALID, pauses=pauses)
    await bench.put(2)
    await bench.until(30)
    assert bench.status().reason == "CONNECTION_SUSPECTED"
    assert not pauses.resume("shop")
    await bench.until(60)
    assert bench.dead() == {"0": "INVALID_EVENT", "1": "INVALID_EVENT"}
    assert bench.status().state == "RUNNING"


@virtually
async def test_an_operator_pauses_one_connection_and_resumes_it(
    tmp_path: Path,
) -> None:
    pauses = PauseFolder(tmp_path / "paused", wall=lambda: START)
    pauses.pause("shop", "price check")
    bench = Bench(names=("shop", "app"), pauses=pauses)
    await bench.put(1, "shop")
    await bench.put(1, "app")
    await bench.until(100)
    status = bench.status("shop")
    assert (status.state, status.reason, status.since) == (
        "PAUSED",
        "price check",
        START,
    )
    assert (bench.times("shop"), bench.times("app")) == ([], [0.0])
    assert pauses.resume("shop")
    await bench.until(102)
    assert len(bench.outbox.delivered) == 2


@pytest.mark.parametrize("name", ["shop", "a/b", "..", "Ünïcode", "x.paused"])
def test_any_name_can_be_paused(tmp_path: Path, name: str) -> None:
    pauses = PauseFolder(tmp_path / "paused", wall=lambda: 5.0)
    assert pauses.paused() == {}
    first = pauses.pause(name, "line\nbreak" + "x" * 300)
    assert first.reason == ("line break" + "x" * 300)[:256]
    assert pauses.pause(name, "again").since == 5.0
    assert pauses.paused() == {name: pauses.pause(name, "again")}
    assert pauses.resume(name)
    assert not pauses.resume(name)
    assert (pauses.paused(), pauses.resumed()) == ({}, {name: 5.0})
    assert (tmp_path / "paused").stat().st_mode & 0o777 == 0o700


def test_a_pause_that_cannot_be_read_pauses_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "shop.paused").write_bytes(b"\xff{")
    assert list(PauseFolder(tmp_path).paused()) == ["shop"]
