"""Each class of answer by each place of the bad events: what becomes of every event."""

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tokferry_server.delivery import Timeouts
from tokferry_server.sandbox import Fault

TABLE = tomllib.loads(Path(__file__).with_name("matrix.toml").read_text())
ROWS = [dict(zip(TABLE["columns"], row, strict=True)) for row in TABLE["rows"]]
NAMES = [row["name"] for row in ROWS]
PLACES = {
    "first": {0},
    "middle": {500},
    "last": {999},
    "three at the front": {0, 1, 2},
}
SOON = Timeouts(read=0.3)
CASES = [(row, SOON if row["reason"] == "TIMEOUT" else Timeouts()) for row in ROWS]
REJECTING = [row for row in ROWS if row["outcome"] == "REJECTED"]


@pytest.mark.parametrize(("row", "timeouts"), CASES, ids=NAMES)
async def test_one_event_alone(line: Any, row: dict[str, Any]) -> None:
    line.fail(row["fault"], {0})
    [result] = await line.send(1)
    assert (result.outcome, result.reason) == (row["outcome"], row["reason"])
    assert line.sandbox.counts.requests == row["alone"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("row", "timeouts"), CASES, ids=NAMES)
async def test_bad_events_among_a_thousand(
    line: Any, row: dict[str, Any], place: str
) -> None:
    bad = PLACES[place]
    line.fail(row["fault"], bad)
    results = await line.send(1000)
    for index, result in enumerate(results):
        if index in bad:
            assert (result.outcome, result.reason) == (row["outcome"], row["reason"])
        else:
            assert result.outcome == row["neighbours"]
    requests = line.sandbox.counts.requests
    if row["many"]:
        assert requests == row["many"]
    else:
        assert requests <= 1 + 20 * len(bad) + 5
        assert line.taken() == set(range(1000)) - bad


@pytest.mark.parametrize("place", PLACES)
async def test_named_events_are_cut_out_with_their_field(line: Any, place: str) -> None:
    bad = PLACES[place]
    fault = {"reply": "refuse", "event_ids": [str(one) for one in bad]}
    line.fail(fault, bad)
    results = await line.send(1000)
    for index, result in enumerate(results):
        if index in bad:
            assert (result.outcome, result.code) == ("REJECTED", 40002)
            assert result.field == "properties.value"
            assert result.request_id
        else:
            assert (result.outcome, result.field) == ("DELIVERED", None)
    assert line.taken() == set(range(1000)) - bad
    assert line.sandbox.counts.requests <= 2 + len(bad) + 1


@pytest.mark.parametrize("row", REJECTING, ids=[row["name"] for row in REJECTING])
async def test_a_whole_batch_that_fails_alike_is_the_connections_fault(
    line: Any, row: dict[str, Any]
) -> None:
    line.fail(row["fault"], range(60))
    results = await line.send(60)
    outcomes = {(result.outcome, result.reason) for result in results}
    assert outcomes == {("RETRYABLE", "CONNECTION_SUSPECTED")}
    assert line.sandbox.counts.requests <= 65


@pytest.mark.parametrize("reply", ["reset", "truncated", "html", "text", "code"])
async def test_one_failure_heals_by_itself_and_counts_once(
    line: Any, reply: str
) -> None:
    line.sandbox.script([_fault(reply, taken=True)])
    results = await line.send(3)
    assert {(one.outcome, one.reason, one.attempts) for one in results} == {
        ("DELIVERED", None, 2)
    }
    counts = line.sandbox.counts
    assert (counts.taken, counts.duplicates, counts.changed) == (3, 3, 0)


def _fault(reply: str, *, taken: bool) -> Fault:
    plain = {"reply": reply, "taken": taken, "code": 50000, "status": 500}
    return msgspec.convert(plain, Fault)
