"""Every state that caller, server and TikTok can reach with one event."""

import gc
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from unittest import mock

import pytest

from durable.protocol.replay import next_need
from durable.protocol.search import search
from tokferry_server.delivery.durable import consignment, limits
from tokferry_server.delivery.durable.clock import Clock
from tokferry_server.delivery.durable.findings import Findings
from tokferry_server.delivery.durable.store import Store
from tokferry_server.delivery.outbox import doubt

FORWARD, BACK = 96, -48
LATE = "sent 47 hours after a request whose end is unknown"


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    next_need.cache_clear()
    yield
    next_need.cache_clear()


@pytest.mark.gate
@pytest.mark.timeout(600)
def test_no_state_breaks_a_promise() -> None:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, spawn, initializer=gc.disable) as pool:
        for found in pool.map(search, (FORWARD, BACK)):
            assert found.problems == []
            assert found.states >= 100_000


def test_no_near_state_breaks_a_promise() -> None:
    found = search(FORWARD, 8_000)
    assert found.problems == []
    assert found.states >= 8_000


def _finds(problem: str, jump: int = 0) -> bool:
    [found] = search(jump, 60_000).problems
    return problem in found


def test_the_search_notices_rows_whose_end_stays_unknown_for_ever() -> None:
    with mock.patch.object(doubt, "DOUBT_SECONDS", 1e9):
        assert _finds("an event that was acked is never settled")


def test_the_search_notices_a_second_request_of_a_try_that_comes_too_late() -> None:
    with mock.patch.object(consignment, "DOUBT_SECONDS", 1e9):
        assert _finds(LATE)


def test_the_search_notices_a_clock_that_follows_the_machine_back() -> None:
    def follow(self: Clock) -> float:
        return self.wall()

    with mock.patch.object(Clock, "now", follow):
        assert _finds(LATE, BACK)


def test_the_search_notices_rows_that_are_settled_before_the_answer() -> None:
    def settled(self: Findings, items: object, answer: object, verdict: object) -> None:
        del verdict
        self.deliver(items, answer, None)  # type: ignore[arg-type]

    with mock.patch.object(Findings, "postpone", settled):
        assert _finds("settled, and TikTok lacks it")


def test_the_search_notices_rows_that_are_tried_for_ever() -> None:
    with mock.patch.object(limits, "CERTAIN_S", 1e12):
        assert _finds("an event that was acked is never settled")


def test_the_search_notices_requests_that_nobody_noted_before() -> None:
    async def silent(self: Store, ids: object, at: float) -> None:
        del self, ids, at

    with mock.patch.object(Store, "sending", silent):
        assert _finds(LATE)
