"""Connections share the worker, and none delays another."""

import asyncio

import pytest

from durable.bench import OK, Bench, virtually
from tokferry_server.tiktok.answer import Answer, Failure

_FIRST = {"shop": 0, "app": 1000}
LATE = Answer(failure=Failure.READ_TIMEOUT)


async def _load(bench: Bench, names: tuple[str, ...]) -> None:
    for tick in range(60):
        for name in names:
            await bench.put(3, name, first=3 * tick + _FIRST[name])
        await asyncio.sleep(1.0)


def _shape(bench: Bench, name: str) -> list[tuple[float, list[str]]]:
    """Give the requests of a connection: when, and which events in which order."""
    posts = [post for post in bench.posts if post.key == name]
    return [(round(post.at, 3), post.ids) for post in posts]


def _p99(bench: Bench, name: str) -> float:
    """Give the 99th percentile of the seconds from the put to the end of the post.

    Three events are put each second.
    """
    waits = sorted(
        post.at + bench.takes - (int(id_) - _FIRST[name]) // 3
        for post in bench.posts
        if post.key == name
        for id_ in post.ids
    )
    return waits[len(waits) * 99 // 100]


@virtually
async def test_a_failing_connection_does_not_delay_another() -> None:
    async def late(_ids: list[str]) -> Answer:
        await asyncio.sleep(10.0)
        return LATE

    alone = Bench(names=("shop", "app"))
    await _load(alone, ("app",))
    await alone.worker.stop()
    both = Bench(names=("shop", "app"), pool=4)
    both.answering = lambda ids: late(ids) if int(ids[0]) < 1000 else OK
    await _load(both, ("shop", "app"))
    assert len(_shape(both, "shop")) > 5
    assert _shape(both, "app") == _shape(alone, "app")
    assert sum(len(ids) for _, ids in _shape(both, "app")) == 180
    print(f"p99 beside a failing one: {_p99(both, 'app'):.3f} s")  # noqa: T201
    assert _p99(both, "app") == pytest.approx(_p99(alone, "app"))


@virtually
async def test_one_connection_gets_at_most_half_of_the_pool() -> None:
    bench = Bench(names=("shop", "app"), takes=1.0, pool=8, concurrency=16)
    for first in range(0, 60_000, 1000):
        await bench.put(1000, first=first)
    busiest = 0
    for _ in range(60):
        await asyncio.sleep(0.5)
        busiest = max(busiest, bench.status().in_flight)
    assert busiest == 4
    assert len(bench.outbox.delivered) >= 30_000


@virtually
async def test_connections_take_turns() -> None:
    names = tuple(f"shop{number}" for number in range(4))
    bench = Bench(names=names, takes=1.0, pool=2)
    for name in names:
        for first in range(0, 5000, 1000):
            await bench.put(1000, name, first=first)
    await bench.until(6)
    counts = {name: len(bench.times(name)) for name in names}
    assert max(counts.values()) - min(counts.values()) <= 1


@virtually
async def test_a_backlog_drains_at_the_pace_of_the_rate() -> None:
    bench = Bench(lambda _ids: Answer(failure=Failure.CONNECT), rate=20, takes=0.05)
    await bench.put(30_000)
    await bench.until(600)
    assert bench.outbox.delivered == {}
    bench.answering = lambda _ids: OK
    await bench.until(1200)
    assert len(bench.outbox.delivered) == 30_000
    assert bench.outbox.dead_rows == {}
