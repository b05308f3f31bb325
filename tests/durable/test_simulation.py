"""Stories of faults, crashes, clocks and people, played from seeds."""

import asyncio
import multiprocessing
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from unittest import mock

import pytest

from durable.memory_outbox import MemoryOutbox
from durable.simulation.scenario import Result, simulate
from tokferry_server.delivery.durable import consignment
from tokferry_server.delivery.durable.findings import Findings
from tokferry_server.delivery.durable.store import Store
from tokferry_server.delivery.outbox import doubt


def _play(results: Iterable[Result]) -> list[Result]:
    results = list(results)
    assert [(one.seed, one.problems) for one in results if one.problems] == []
    for one in results:
        assert one.accepted == one.delivered + one.dead
    return results


def test_nothing_is_lost_changed_or_counted_twice_in_50_stories() -> None:
    results = _play(map(simulate, range(50)))
    assert sum(one.delivered for one in results) > 20_000
    assert sum(one.deaths for one in results) > 1_000
    assert sum(one.resends for one in results) > 2_000


@pytest.mark.gate
@pytest.mark.timeout(1800)
def test_nothing_is_lost_changed_or_counted_twice_in_1000_stories() -> None:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        _play(pool.map(simulate, range(1000, 2000), chunksize=20))


def test_a_seed_tells_the_same_story_every_time() -> None:
    one, two = simulate(7), simulate(7)
    assert one == two
    assert simulate(8).trace != one.trace


def _found(problem: str, seeds: int = 30) -> bool:
    return any(
        problem in found for seed in range(seeds) for found in simulate(seed).problems
    )


def test_the_oracle_notices_rows_that_are_settled_before_the_answer() -> None:
    def settled(self: Findings, items: object, answer: object, verdict: object) -> None:
        del verdict
        self.deliver(items, answer, None)  # type: ignore[arg-type]

    with mock.patch.object(Findings, "postpone", settled):
        assert _found("counts as delivered, and TikTok lacks it")


def test_the_oracle_notices_sends_after_47_hours() -> None:
    with (
        mock.patch.object(doubt, "DOUBT_SECONDS", 1e9),
        mock.patch.object(consignment, "DOUBT_SECONDS", 1e9),
    ):
        assert _found("47 hours after it was taken")


def test_the_oracle_notices_posts_that_nobody_noted_before() -> None:
    async def silent(self: Store, ids: object, at: float) -> None:
        del self, ids, at
        await asyncio.sleep(0)

    with mock.patch.object(Store, "sending", silent):
        assert _found("47 hours after it was taken", 400)


def test_the_oracle_notices_an_outbox_that_loses_a_row() -> None:
    take = MemoryOutbox.forget_claims

    def lose(self: MemoryOutbox) -> None:
        if self.claimed:
            self.pending.pop(min(self.claimed), None)
        take(self)

    with mock.patch.object(MemoryOutbox, "forget_claims", lose):
        assert _found("an event is lost")
