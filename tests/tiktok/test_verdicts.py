import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from tokferry_server.tiktok import verdicts
from tokferry_server.tiktok.answer import Answer, Failure
from tokferry_server.tiktok.reasons import DeliveryReason, Outcome
from tokferry_server.tiktok.verdict import BatchAction, Ranges, Row, Verdict, ranges
from tokferry_server.tiktok.verdicts import TABLE, classify, verdict_of

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
    assert verdict.batch is BatchAction.NONE


def test_numbers_and_ranges_are_read_with_both_their_ends() -> None:
    assert ranges("40001 41000-41002") == (range(40001, 40002), range(41000, 41003))
    assert ranges("") == ()


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
@pytest.mark.parametrize("status", [None, 199, 300, 400, 401, 429, 500, 503])
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


def test_every_code_that_tiktok_publishes_is_in_the_table() -> None:
    published = {int(code) for code in TABLES["published"].split()}
    assert len(published) > 150
    assert published - {code for code, _ in CODES} == {0, 20001}


def _changed_rows(row: Row) -> Iterator[Row | None]:
    yield None
    for codes in _changed(row.codes):
        yield replace(row, codes=codes)
    for statuses in _changed(row.statuses):
        yield replace(row, statuses=statuses)
    for failure in row.failures:
        yield replace(row, failures=[one for one in row.failures if one != failure])
    for verdict in _changed_verdicts(row.verdict):
        yield replace(row, verdict=verdict)


def _changed_verdicts(verdict: Verdict) -> Iterator[Verdict]:
    yield replace(verdict, certain=not verdict.certain)
    yield replace(verdict, pause=not verdict.pause)
    yield replace(verdict, reason=DeliveryReason.INTERNAL)
    for outcome in set(Outcome) - {verdict.outcome}:
        yield replace(verdict, outcome=outcome)
    for batch in set(BatchAction) - {verdict.batch}:
        yield replace(verdict, batch=batch)


def _changed(ranges: Ranges) -> Iterator[Ranges]:
    """Leave one out, or let it begin or end one sooner or later."""
    for at, one in enumerate(ranges):
        before, after = ranges[:at], ranges[at + 1 :]
        yield before + after
        for first, last in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            yield (*before, range(one.start + first, one.stop + last), *after)


def _holds() -> bool:
    """Say whether all that the data file says is so."""
    try:
        for code, want in CODES:
            test_a_code_means_the_same_under_every_http_status(code, want, 200)
        for status, want in STATUSES:
            test_the_http_status_counts_where_there_is_no_code(status, want)
        for failure, row in FAILURES:
            test_a_failure_means_the_same_whatever_came_before_it(failure, row, None)
        test_code_0_under_a_2xx_status_is_delivered_without_reservation()
        test_partial_success_is_resent_once_as_a_batch_only()
        test_a_duplicated_request_is_resent_once_even_alone()
    except AssertionError:
        return False
    return True


def _meanings() -> list[Verdict]:
    """Classify all codes and statuses at which any row begins or ends."""
    spans = [one for row in TABLE for one in (*row.codes, *row.statuses)]
    edges = {
        edge + by for one in spans for edge in (one.start, one.stop) for by in (-1, 0)
    }
    codes = [Answer(http_status=200, code=edge) for edge in sorted(edges)]
    return [
        classify(answer)
        for answer in (*codes, *(Answer(http_status=edge) for edge in sorted(edges)))
    ]


def test_nearly_every_change_of_the_table_is_noticed() -> None:
    """One that changes no meaning, as a row above decides, is no change."""
    assert _holds()
    meanings = _meanings()
    uncached = mock.patch.object(verdicts, "verdict_of", verdict_of.__wrapped__)
    noticed, unnoticed = 0, []
    for at, row in enumerate(TABLE):
        for changed in _changed_rows(row):
            middle = () if changed is None else (changed,)
            table = (*TABLE[:at], *middle, *TABLE[at + 1 :])
            with uncached, mock.patch.object(verdicts, "TABLE", table):
                if not _holds():
                    noticed += 1
                elif _meanings() != meanings:
                    unnoticed.append(changed)
    assert noticed > 350
    assert len(unnoticed) <= 0.05 * noticed, unnoticed
