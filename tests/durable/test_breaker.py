"""The circuit breaker and the retry budget."""

import itertools

import pytest

from durable.bench import OK, Bench, virtually
from tokferry_server.delivery.durable.breaker import Breaker
from tokferry_server.delivery.durable.budget import RetryBudget
from tokferry_server.tiktok.answer import Answer

DOWN = Answer(http_status=200, code=50000)


def _record(breaker: Breaker, outcomes: str, at: float = 0.0) -> None:
    for outcome in outcomes:
        breaker.record(at, failed=outcome == "x")


@pytest.mark.parametrize(
    ("outcomes", "closed"),
    [("x" * 9, True), ("x" * 10, False), ("...xxxxxxx", False), ("....xxxxxx", True)],
)
def test_it_opens_at_seven_failures_of_ten(outcomes: str, closed: bool) -> None:
    breaker = Breaker()
    _record(breaker, outcomes)
    assert breaker.closed is closed
    assert breaker.remaining(0.0) == (0.0 if closed else 30.0)


def test_failures_are_forgotten_after_a_minute() -> None:
    breaker = Breaker()
    _record(breaker, "xxxxxxxxx", at=0.0)
    _record(breaker, "x", at=60.0)
    assert breaker.closed
    _record(breaker, "xxxxxxxx", at=61.0)
    assert breaker.closed
    _record(breaker, "x", at=62.0)
    assert not breaker.closed


def test_only_a_probe_closes_it_and_a_failed_one_opens_it_again() -> None:
    breaker = Breaker()
    _record(breaker, "xxxxxxxxxx")
    breaker.record(1.0, failed=False)
    assert not breaker.closed
    breaker.record(30.0, failed=True, probe=True)
    assert breaker.remaining(30.0) == 30.0
    breaker.record(60.0, failed=False, probe=True)
    assert breaker.closed
    _record(breaker, "xxxxxxxxx", at=61.0)
    assert breaker.closed


def test_half_of_the_budget_stops_retries_until_successes_earn_it_back() -> None:
    budget = RetryBudget()
    for _ in range(4):
        budget.record(failed=True)
    assert not budget.spent
    budget.record(failed=True)
    assert budget.spent
    budget.record(failed=False)
    assert not budget.spent
    for _ in range(20):
        budget.record(failed=True)
    for _ in range(50):
        assert budget.spent
        budget.record(failed=False)
    budget.record(failed=False)
    assert not budget.spent


@virtually
async def test_a_tiktok_that_is_down_gets_one_probe_in_thirty_seconds() -> None:
    bench = Bench(lambda _ids: DOWN)
    for second in range(30):
        await bench.put(1, first=second)
        await bench.until(second)
    await bench.until(60)
    assert bench.status().state == "BREAKER_OPEN"
    begun = bench.times()[-1]
    await bench.until(660)
    probes = [at for at in bench.times() if at > begun]
    gaps = [two - one for one, two in itertools.pairwise(probes)]
    assert len(probes) >= 15
    assert min(gaps) >= 30
    bench.answering = lambda _ids: OK
    await bench.until(1100)
    assert len(bench.outbox.delivered) == 30


@virtually
async def test_with_its_budget_spent_a_connection_sends_one_at_a_time() -> None:
    bench = Bench(takes=1.0)
    bench.worker.wake()
    for first in range(40):
        await bench.put(1, first=first)
        await bench.until(first / 2)
    assert bench.status().limit > 1
    bench.answering = lambda _ids: DOWN
    for first in range(40, 60):
        await bench.put(1, first=first)
        await bench.until(bench.now + 0.25)
    assert bench.status().limit == 1
