from collections.abc import Callable
from typing import Any

import pytest

from tokferry_server.tiktok.answer import Answer

OK = Answer(http_status=200, code=0)


def _refusing(
    bad: set[str], place: Callable[[list[str]], int | None] = lambda _ids: None
) -> Callable[[list[str]], Answer]:
    """Refuse requests that hold a bad event, naming the place that is given."""

    def answering(ids: list[str]) -> Answer:
        if bad.isdisjoint(ids):
            return OK
        return Answer(http_status=200, code=40002, index=place(ids), field="event")

    return answering


def _first_of(bad: set[str]) -> Callable[[list[str]], int | None]:
    return lambda ids: next(at for at, one in enumerate(ids) if one in bad)


def _check(bench: Any, results: list[Any], bad: set[str]) -> None:
    got = {str(at) for at, one in enumerate(results) if one.outcome == "REJECTED"}
    assert got == bad
    others = [one for at, one in enumerate(results) if str(at) not in bad]
    assert {one.outcome for one in others} <= {"DELIVERED"}
    assert len(bench.poster.requests) <= 1 + 20 * len(bad) + 5


@pytest.mark.parametrize("bad", [{"0"}, {"7", "8"}, {"3", "500", "501", "999"}])
@pytest.mark.parametrize("count", [1000, 1001])
async def test_names_find_the_bad_events(bench: Any, bad: set[str], count: int) -> None:
    line = bench(_refusing(bad, _first_of(bad)))
    _check(line, await line.send(count), bad)
    assert len(line.poster.requests) <= 3 + len(bad) + 1


@pytest.mark.parametrize(
    "bad",
    [{"0"}, {"1"}, {"998"}, {"999"}, {"0", "999"}, {"499", "500"}, {"0", "1", "2"}],
)
@pytest.mark.parametrize("count", [1000, 3, 2])
async def test_halving_finds_them_without_names(
    bench: Any, bad: set[str], count: int
) -> None:
    bad = {one for one in bad if int(one) < count}
    line = bench(_refusing(bad))
    results = await line.send(count)
    if count - len(bad) > 0:
        _check(line, results, bad)


async def test_a_half_that_must_hold_the_bad_event_is_halved_unsent(
    bench: Any,
) -> None:
    line = bench(_refusing({"999"}))
    _check(line, await line.send(1000), {"999"})
    assert len(line.poster.requests) == 1 + 10


LIES: dict[str, Callable[[list[str]], int | None]] = {
    "always the first": lambda _ids: 0,
    "always the second": lambda _ids: 1,
    "out of range": len,
    "far out of range": lambda _ids: 9999,
    "always the last": lambda ids: len(ids) - 1,
    "going backwards": lambda ids: max(0, len(ids) - 500),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("bad", [{"300"}, {"300", "301"}])
async def test_names_that_lie_reject_no_good_event(
    bench: Any, bad: set[str], lie: str
) -> None:
    line = bench(_refusing(bad, LIES[lie]))
    _check(line, await line.send(1000), bad)


async def test_two_neighbours_named_at_one_place_are_proved_once(bench: Any) -> None:
    bad = {"0", "1", "2"}
    line = bench(_refusing(bad, _first_of(bad)))
    _check(line, await line.send(10), bad)
    assert line.poster.requests.count(["1"]) == 1
    assert len(line.poster.requests) == 5


async def test_after_64_requests_the_rest_waits(bench: Any) -> None:
    bad = {str(index) for index in range(0, 1000, 10)}
    line = bench(_refusing(bad, _first_of(bad)))
    results = await line.send(1000)
    assert len(line.poster.requests) == 1 + 64
    left = [one for one in results if one.reason == "ISOLATION_LIMIT"]
    assert {one.outcome for one in left} == {"RETRYABLE"}
    assert len(left) > 0
    for at, one in enumerate(results):
        if one.outcome == "DELIVERED":
            assert str(at) not in bad
        elif one.outcome == "REJECTED":
            assert str(at) in bad
    assert line.time.slept == []


async def test_nearly_all_of_fifty_is_the_connections_fault(bench: Any) -> None:
    bad = {str(index) for index in range(45)}
    line = bench(_refusing(bad, _first_of(bad)))
    results = await line.send(50)
    assert {one.reason for one in results[:45]} == {"CONNECTION_SUSPECTED"}
    assert {one.outcome for one in results[:45]} == {"RETRYABLE"}
    assert {one.outcome for one in results[45:]} == {"DELIVERED"}


@pytest.mark.parametrize(("bad", "of"), [(44, 50), (44, 49)])
async def test_fewer_are_the_events_fault(bench: Any, bad: int, of: int) -> None:
    names = {str(index) for index in range(bad)}
    line = bench(_refusing(names, _first_of(names)))
    results = await line.send(of)
    assert [one.outcome for one in results] == (
        ["REJECTED"] * bad + ["DELIVERED"] * (of - bad)
    )


async def test_different_errors_are_not_one_fault(bench: Any) -> None:
    def answering(ids: list[str]) -> Answer:
        code = 40002 if "0" in ids else 40999
        return Answer(http_status=200, code=code)

    line = bench(answering)
    results = await line.send(2)
    assert [one.reason for one in results] == ["INVALID_EVENT", "UNMAPPED_CODE"]
    assert {one.outcome for one in results} == {"REJECTED"}


@pytest.mark.parametrize("named", [True, False])
async def test_a_failure_during_isolation_stops_it_and_is_tried_again(
    bench: Any, named: bool
) -> None:
    failures = [Answer(http_status=401, code=40100, retry_after=7)]

    def answering(ids: list[str]) -> Answer:
        if "3" not in ids:
            return failures.pop() if failures else OK
        index = ids.index("3") if named else None
        return Answer(http_status=200, code=40002, index=index)

    line = bench(answering)
    results = await line.send(8)
    assert [one.outcome for one in results] == (
        ["DELIVERED"] * 3 + ["REJECTED"] + ["DELIVERED"] * 4
    )
    assert line.time.slept == [7]


async def test_what_was_not_sent_again_after_a_lost_answer_is_not_in_doubt(
    bench: Any,
) -> None:
    def answering(ids: list[str]) -> Answer:
        if len(ids) == 8:
            return Answer(http_status=200, code=40002)
        return Answer(http_status=500)

    line = bench(answering)
    results = await line.send(8)
    outcomes = [one.outcome for one in results]
    assert outcomes == ["UNKNOWN"] * 4 + ["RETRYABLE"] * 4


async def test_a_lower_cap_is_remembered_for_the_connection(bench: Any) -> None:
    def answering(ids: list[str]) -> Answer:
        return OK if len(ids) <= 100 else Answer(http_status=413)

    line = bench(answering)
    assert {one.outcome for one in await line.send(1000)} == {"DELIVERED"}
    line.poster.requests.clear()
    await line.send(1000)
    assert {len(ids) for ids in line.poster.requests} == {62, 8}
    line.poster.requests.clear()
    line.time.now += 3601
    await line.send(1000)
    assert len(line.poster.requests[0]) == 1000


async def test_a_lone_event_that_is_too_large_is_rejected_beside_the_rest(
    bench: Any,
) -> None:
    line = bench(lambda ids: Answer(http_status=413) if "5" in ids else OK)
    results = await line.send(9)
    assert [one.reason for one in results if one.outcome == "REJECTED"] == ["TOO_LARGE"]
    assert [one.outcome for one in results].count("DELIVERED") == 8
