"""How many requests at a time: scenarios of a TikTok, and the range the limit finds."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tokferry_server.delivery.durable.adaptive import AdaptiveLimit


@dataclass(frozen=True)
class Scenario:
    """``round_trip`` and ``fails`` are told how many requests are under way, and when.

    ``limit`` and ``mean`` are ranges of the limit at the end and on average.
    """

    round_trip: Callable[[int, float], float]
    limit: tuple[int, int]
    mean: tuple[float, float]
    fails: Callable[[int, float], bool] = lambda _busy, _now: False
    wanted: int = 100
    most: int = 16


SCENARIOS = {
    "a fast link takes all there may be": Scenario(
        lambda _busy, _now: 0.1, limit=(16, 16), mean=(13, 16)
    ),
    "a lone sender never goes beyond two": Scenario(
        lambda _busy, _now: 0.1, limit=(1, 2), mean=(1, 2), wanted=1
    ),
    "a link that slows with each request": Scenario(
        lambda busy, _now: 0.05 * busy, limit=(1, 16), mean=(2, 13)
    ),
    "a knee at six, and timeouts from nine on": Scenario(
        lambda busy, _now: 0.1 if busy <= 6 else min(1.0, 0.1 * 2 ** (busy - 6)),
        limit=(5, 9),
        mean=(5, 9),
        fails=lambda busy, _now: busy >= 9,
    ),
    "refusals above eight": Scenario(
        lambda _busy, _now: 0.1,
        limit=(5, 9),
        mean=(5, 9),
        fails=lambda busy, _now: busy > 8,
    ),
    "jitter of a fifth": Scenario(
        lambda _busy, now: 0.1 * (0.9 + (now * 7919) % 0.2),
        limit=(8, 16),
        mean=(8, 16),
    ),
    "an outage of ten seconds in the middle": Scenario(
        lambda _busy, _now: 0.1,
        limit=(16, 16),
        mean=(14, 16),
        fails=lambda _busy, now: 25 <= now < 35,
    ),
    "a small cap": Scenario(
        lambda _busy, _now: 0.1, limit=(3, 3), mean=(2.5, 3), most=3
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_limit_finds_its_range(name: str) -> None:
    scenario = SCENARIOS[name]
    limit = AdaptiveLimit(scenario.most)
    now, seen = 0.0, []
    under_way: list[tuple[float, float, bool]] = []
    while now < 60:
        while len(under_way) < min(limit.current, scenario.wanted):
            limit.begun(len(under_way) + 1)
            busy = len(under_way) + 1
            end = now + scenario.round_trip(busy, now)
            heapq.heappush(under_way, (end, now, scenario.fails(busy, now)))
        now, begun, failed = heapq.heappop(under_way)
        limit.ended(now, now - begun, succeeded=not failed, pushed_back=failed)
        seen.append(limit.current)
    assert scenario.limit[0] <= limit.current <= scenario.limit[1]
    assert scenario.mean[0] <= sum(seen) / len(seen) <= scenario.mean[1]


def test_failures_alone_bring_it_down_to_one() -> None:
    limit = AdaptiveLimit(16)
    for round_ in range(200):
        limit.begun(limit.current)
        limit.ended(round_ / 10, 0.1, succeeded=True, pushed_back=False)
    assert limit.current == 16
    for round_ in range(200, 400):
        limit.begun(1)
        limit.ended(round_ / 10, 0.1, succeeded=False, pushed_back=True)
    assert limit.current == 1
