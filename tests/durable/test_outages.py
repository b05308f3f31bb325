"""TikTok is down, slow or comes and goes: nothing is lost, and others do not notice."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from durable.bench import OK, Bench, virtually
from tokferry_server.tiktok.answer import Answer, Failure

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
REFUSED, LATE = Answer(failure=Failure.CONNECT), Answer(failure=Failure.READ_TIMEOUT)
_FIRST = {"shop": 0, "app": 1_000_000}

Shape = list[tuple[float, list[str]]]
Weather = Callable[[float], tuple[float, Answer]]


def _down(now: float) -> tuple[float, Answer]:
    """Be away for the first ten minutes of each hour."""
    if now % HOUR >= 10 * MINUTE:
        return 0.0, OK
    return (0.0, REFUSED) if now // HOUR % 2 else (10.0, LATE)


def _flapping(now: float) -> tuple[float, Answer]:
    return (0.0, OK) if now % 40 >= 20 else (0.0, REFUSED)


def _slow(now: float) -> tuple[float, Answer]:
    """Answer after ten seconds, every fifth time too late."""
    return 10.0, LATE if int(now) % 5 == 0 else OK


def _fair(_now: float) -> tuple[float, Answer]:
    return 0.0, OK


def _shape(bench: Bench, name: str) -> Shape:
    return [(round(post.at, 3), post.ids) for post in bench.posts if post.key == name]


async def _day(weather: Weather, names: tuple[str, ...]) -> Bench:
    """Put thirty events a minute for a day; ``weather`` is that of the shop."""
    bench = Bench(names=("shop", "app"), poll=30.0)

    async def answer(ids: list[str]) -> Answer:
        if int(ids[0]) >= _FIRST["app"]:
            return OK
        wait, given = weather(bench.now)
        await asyncio.sleep(wait)
        return given

    bench.answering = answer
    for minute in range(24 * 60):
        for name in names:
            await bench.put(30, name, first=30 * minute + _FIRST[name])
        await bench.until((minute + 1) * MINUTE)
    await bench.until(DAY + HOUR)
    await bench.worker.stop()
    return bench


@pytest.mark.gate
@pytest.mark.parametrize("weather", [_down, _flapping, _slow])
@virtually
async def test_a_bad_day_costs_nothing_and_nobody_else(weather: Weather) -> None:
    alone = await _day(_fair, ("app",))
    both = await _day(weather, ("shop", "app"))
    assert len(both.outbox.delivered) == 2 * 24 * 60 * 30
    assert both.outbox.dead_rows == {}
    assert len(_shape(both, "shop")) > 24 * 60
    assert _shape(both, "app") == _shape(alone, "app")


@pytest.mark.parametrize("failing", [REFUSED, LATE])
@virtually
async def test_after_ten_minutes_away_the_backlog_drains_soon(failing: Answer) -> None:
    """Fifty events a request and a request in five seconds are ten events a second."""
    bench = Bench(rate=0.2)
    begins, ends, backlog = 2 * MINUTE, 12 * MINUTE, 6_000

    def answer(ids: list[str]) -> Answer:
        if begins <= bench.now < ends:
            return failing
        return OK if len(ids) <= 50 else Answer(http_status=413)

    bench.answering = answer
    await bench.put(100, first=backlog)
    await bench.until(begins)
    assert len(bench.outbox.delivered) == 100
    for ten_seconds in range(60):
        await bench.put(100, first=100 * ten_seconds)
        await bench.until(begins + 10 * (ten_seconds + 1))
    assert len(bench.outbox.delivered) == 100
    assert bench.status().state == "BREAKER_OPEN"
    posts = [at for at in bench.times() if at >= begins]
    await bench.until(ends + 1.5 * backlog / 10)
    assert len(bench.outbox.delivered) == backlog + 100
    opened = next(at for at, later in pairwise(posts) if later - at >= 29)
    probes = [at for at in posts if at >= opened]
    assert len(probes) > 10
    assert all(later - at >= 30 for at, later in pairwise(probes))
