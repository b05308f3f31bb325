import tomllib
from pathlib import Path

import pytest

from tokferry_server.tiktok.answer import Answer, Failure
from tokferry_server.tiktok.verdicts import TABLE, classify

TABLES = tomllib.loads(Path(__file__).with_name("verdicts.toml").read_text())
CODES = [
    (int(code), dict(zip(TABLES["columns"], row, strict=True)))
    for row in TABLES["rows"]
    for code in row[5].split()
]
STATUSES = [
    (int(status), dict(zip(TABLES["columns"], row, strict=True)))
    for row in TABLES["rows"]
    for status in row[6].split()
]
FAILURES = [
    (Failure(name), row) for row in TABLES["failures"] for name in row[4].split()
]


def _check(answer: Answer, want: dict[str, object]) -> None:
    verdict = classify(answer)
    got = {
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "batch": verdict.batch.value,
        "certain": verdict.certain,
        "pause": verdict.pause,
    }
    assert got == {key: want[key] for key in got}


@pytest.mark.parametrize("status", [200, 400, 401, 413, 429, 500, 503])
@pytest.mark.parametrize(("code", "want"), CODES)
def test_a_code_means_the_same_under_every_http_status(
    code: int, want: dict[str, object], status: int | None
) -> None:
    if code == 40050 or want["outcome"] != "DELIVERED":
        _check(Answer(http_status=status, code=code), want)


@pytest.mark.parametrize(("status", "want"), STATUSES)
def test_the_http_status_counts_where_there_is_no_code(
    status: int | None, want: dict[str, object]
) -> None:
    _check(Answer(http_status=status), want)


@pytest.mark.parametrize(("failure", "row"), FAILURES)
@pytest.mark.parametrize("status", [None, 200, 401])
def test_a_failure_means_the_same_whatever_came_before_it(
    failure: Failure, row: list[object], status: int | None
) -> None:
    verdict = classify(Answer(http_status=status, failure=failure))
    got = [verdict.outcome, verdict.reason, verdict.certain, verdict.pause]
    assert got == row[:4]


def test_every_failure_is_in_the_table() -> None:
    assert {failure for failure, _ in FAILURES} == set(Failure)


def test_code_0_under_a_2xx_status_is_delivered_without_reservation() -> None:
    verdict = classify(Answer(http_status=200, code=0))
    assert (verdict.outcome, verdict.reason) == ("DELIVERED", None)
    assert verdict.batch.value == "none"


def test_partial_success_is_resent_once_as_a_batch_only() -> None:
    verdict = classify(Answer(http_status=200, code=20001))
    assert (verdict.outcome, verdict.reason) == ("DELIVERED", "PARTIAL_SUCCESS")
    assert verdict.batch.value == "resend_once"
    assert not verdict.resend_lone


def test_a_duplicated_request_is_resent_once_even_alone() -> None:
    assert classify(Answer(http_status=200, code=40050)).resend_lone


@pytest.mark.parametrize("code", [0, 20001])
@pytest.mark.parametrize("status", [None, 199, 301, 400, 401, 429, 500, 503])
def test_success_under_a_status_of_failure_proves_nothing(
    code: int, status: int | None
) -> None:
    verdict = classify(Answer(http_status=status, code=code))
    assert (verdict.outcome, verdict.reason) == ("UNKNOWN", "UNREADABLE_ANSWER")
    assert not verdict.certain


@pytest.mark.parametrize("status", [200, 204, 299])
def test_every_2xx_status_will_do_for_code_0(status: int | None) -> None:
    assert classify(Answer(http_status=status, code=0)).outcome == "DELIVERED"


def test_no_refusal_is_ever_called_delivered_or_unknown() -> None:
    certain = {
        code
        for code in range(40000, 50000)
        if classify(Answer(http_status=200, code=code)).certain
    }
    assert set(range(40000, 50000)) - certain == {40050}


@pytest.mark.parametrize(
    ("reason", "backpressure", "breaker", "wait"),
    [
        ("THROTTLED", True, False, 0),
        ("SERVER_ERROR", True, True, 0),
        ("MAINTENANCE", False, True, 30),
        ("UNREADABLE_ANSWER", False, True, 0),
        ("CONNECT_FAILED", False, True, 0),
        ("TIMEOUT", True, True, 0),
        ("CONNECTION_LOST", True, True, 0),
        ("CONNECTION_AUTH", False, False, 0),
        ("CONFLICT", False, False, 0),
        ("QUEUE_FULL", False, False, 0),
    ],
)
def test_what_a_failure_does_to_the_pace(
    reason: str, backpressure: bool, breaker: bool, wait: float
) -> None:
    [verdict] = [row.verdict for row in TABLE if row.verdict.reason == reason]
    assert verdict.backpressure is backpressure
    assert verdict.breaker is breaker
    assert verdict.minimum_wait == wait
