from typing import Any

import pytest

from tokferry_server.tiktok.answer import Answer, Failure

OK = Answer(http_status=200, code=0)
THROTTLED = Answer(http_status=401, code=40100)
LOST = Answer(failure=Failure.RESET)
UNCONNECTED = Answer(failure=Failure.CONNECT)
REFUSED = Answer(http_status=200, code=40002, field="event")


def _in_turn(*answers: Answer) -> Any:
    left = list(answers)
    return lambda _ids: left.pop(0)


@pytest.mark.parametrize(
    ("answers", "outcome", "reason", "slept"),
    [
        ([OK], "DELIVERED", None, []),
        ([LOST, OK], "DELIVERED", None, [0.5]),
        ([LOST, LOST, OK], "DELIVERED", None, [0.5, 1.0]),
        ([LOST, LOST, LOST], "UNKNOWN", "CONNECTION_LOST", [0.5, 1.0]),
        ([UNCONNECTED] * 3, "RETRYABLE", "CONNECT_FAILED", [0.5, 1.0]),
        ([THROTTLED] * 3, "RETRYABLE", "THROTTLED", [1, 2]),
        ([LOST, UNCONNECTED, THROTTLED], "UNKNOWN", "CONNECTION_LOST", [0.5, 1.0]),
        ([UNCONNECTED, LOST, UNCONNECTED], "UNKNOWN", "CONNECTION_LOST", [0.5, 1.0]),
        ([LOST, REFUSED], "REJECTED", "INVALID_EVENT", [0.5]),
        ([LOST, Answer(http_status=401)], "UNKNOWN", "CONNECTION_LOST", [0.5]),
        ([Answer(http_status=401)], "RETRYABLE", "CONNECTION_AUTH", []),
        ([Answer(failure=Failure.CERTIFICATE)], "RETRYABLE", "CONNECTION_CONFIG", []),
        ([Answer(http_status=503), OK], "DELIVERED", None, [30]),
        ([Answer(http_status=429, retry_after=9), OK], "DELIVERED", None, [9]),
        (
            [Answer(http_status=429, retry_after=9), LOST, OK],
            "DELIVERED",
            None,
            [9, 1.0],
        ),
        ([Answer(http_status=503, retry_after=45), OK], "DELIVERED", None, [45]),
    ],
)
async def test_tries_and_waits(
    bench: Any,
    answers: list[Answer],
    outcome: str,
    reason: str | None,
    slept: list[float],
) -> None:
    line = bench(_in_turn(*answers))
    [result] = await line.send(1)
    assert (result.outcome, result.reason) == (outcome, reason)
    assert result.attempts == len(answers)
    assert line.time.slept == slept
    assert line.poster.resends == list(range(len(answers)))


async def test_every_try_sends_the_token_of_its_time(bench: Any) -> None:
    line = bench(_in_turn(LOST, LOST, OK))
    tokens = ["first", "second", "third", "fourth"]
    line.token = lambda: tokens[len(line.poster.requests)]
    await line.send(1)
    assert line.poster.tokens == ["first", "second", "third"]


@pytest.mark.parametrize("broken", ["", KeyError("a token's file")])
async def test_a_token_lost_between_tries_is_sent_all_the_same(
    bench: Any, broken: str | Exception
) -> None:
    line = bench(_in_turn(LOST, LOST, OK))
    tokens = iter(["first", "first", "second", broken])

    def token() -> str:
        one = next(tokens)
        if isinstance(one, Exception):
            raise one
        return one

    line.token = token
    [result] = await line.send(1)
    assert result.outcome == "DELIVERED"
    assert line.poster.tokens == ["first", "second", "second"]


async def test_every_try_sends_the_same_bytes(bench: Any) -> None:
    line = bench(_in_turn(LOST, LOST, OK))
    await line.send(5)
    assert len(set(line.poster.bodies)) == 1


@pytest.mark.parametrize(
    ("deadline", "tries", "attempts"),
    [
        (0.49, 0, 0),
        (0.5, 1, 1),
        (1.49, 1, 1),  # half a second of waiting, and half a second to try
        (1.51, 2, 2),
        (2.5, 2, 2),
        (3.49, 2, 2),
        (3.51, 3, 3),
    ],
)
async def test_a_try_begins_only_if_it_fits_before_the_deadline(
    bench: Any, deadline: float, tries: int, attempts: int
) -> None:
    line = bench(lambda _ids: LOST)
    line.time.drawn = 1.0
    start = line.time.now
    [result] = await line.send(1, deadline=start + deadline)
    assert len(line.poster.requests) == tries
    assert result.attempts == attempts
    assert result.outcome == ("UNKNOWN" if tries else "RETRYABLE")
    assert result.reason == ("CONNECTION_LOST" if tries else "DEADLINE")


async def test_the_caller_waits_no_longer_than_its_deadline(bench: Any) -> None:
    line = bench(_in_turn(LOST, OK))
    await line.send(1, deadline=line.time.now + 10)
    assert line.poster.patience == [10, 9.5]
    line = bench(_in_turn(OK))
    await line.send(1)
    assert line.poster.patience == [None]


@pytest.mark.parametrize("retry_after", [61, 3600, 86400])
async def test_a_long_retry_after_goes_back_to_the_caller_at_once(
    bench: Any, retry_after: float
) -> None:
    line = bench(lambda _ids: Answer(http_status=429, retry_after=retry_after))
    [result] = await line.send(1)
    assert (result.outcome, result.reason) == ("RETRYABLE", "THROTTLED")
    assert line.time.slept == []


async def test_isolation_stops_at_the_deadline_and_rejects_nothing_unproved(
    bench: Any,
) -> None:
    line = bench(lambda ids: REFUSED if "3" in ids else OK)
    line.poster.takes = 1.0
    results = await line.send(8, deadline=line.time.now + 1.2)
    assert {(one.outcome, one.reason) for one in results} == {("RETRYABLE", "DEADLINE")}


async def test_one_groups_trouble_does_not_hold_the_other_back(bench: Any) -> None:
    line = bench(lambda ids: LOST if "0" in ids else OK)
    results = await line.send(1001)
    assert [one.outcome for one in results[-1:]] == ["DELIVERED"]
    assert {one.outcome for one in results[:1000]} == {"UNKNOWN"}


@pytest.mark.parametrize(
    ("answers", "outcome", "reason", "attempts"),
    [
        ([20001, 0], "DELIVERED", None, 1),
        ([20001, 20001], "DELIVERED", "PARTIAL_SUCCESS", 1),
        ([40050, 40050], "DELIVERED", "ALREADY_DELIVERED", 1),
        ([40050, 0], "DELIVERED", None, 1),
        ([20001, 40100, 40100, 40100], "UNKNOWN", "PARTIAL_SUCCESS", 3),
        ([20001, 50000, 0], "DELIVERED", None, 2),
    ],
)
async def test_partial_success_is_sent_once_more(
    bench: Any, answers: list[int], outcome: str, reason: str | None, attempts: int
) -> None:
    line = bench(_in_turn(*[Answer(http_status=200, code=code) for code in answers]))
    results = await line.send(2)
    assert {(one.outcome, one.reason, one.attempts) for one in results} == {
        (outcome, reason, attempts)
    }
    assert len(line.poster.requests) == len(answers)


async def test_every_result_says_what_to_do_in_one_line(bench: Any) -> None:
    for code in (0, 20001, 40002, 40001, 40007, 40100, 40202, 50000, 60001, 77777):
        line = bench(lambda _ids, code=code: Answer(http_status=200, code=code))
        [result] = await line.send(1)
        assert result.message.endswith(".")
        assert "\n" not in result.message
        assert (result.code, result.http_status) == (code, 200)
