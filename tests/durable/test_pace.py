"""The rate of an app, and its waits when TikTok throttles it."""

import asyncio
import itertools

import pytest

from durable.bench import OK, START, Bench, virtually
from durable.virtual_time import run_virtually
from tokferry_server.delivery.pace import AppPace, PacedPoster, Throttle, TokenBucket
from tokferry_server.tiktok.answer import Answer

THROTTLED = Answer(http_status=401, code=40100)
HOUR = 3600.0
NOON_TO_MIDNIGHT = 12 * HOUR


@virtually
async def test_a_bucket_lets_its_rate_through_in_order() -> None:
    loop = asyncio.get_running_loop()
    bucket = TokenBucket(100, clock=loop.time)
    begun, order = loop.time(), []

    async def ask(number: int) -> None:
        await bucket.take()
        order.append((number, loop.time() - begun))

    await asyncio.gather(*(ask(number) for number in range(210)))
    assert [number for number, _ in order] == list(range(210))
    assert sum(at < 1e-9 for _, at in order) == 10
    assert order[-1][1] == pytest.approx(2.0)


@virtually
async def test_who_cannot_wait_so_long_takes_no_turn() -> None:
    loop = asyncio.get_running_loop()
    bucket = TokenBucket(1, clock=loop.time)
    assert await bucket.take(0)
    assert not await bucket.take(0.5)
    begun = loop.time()
    assert await bucket.take(1.5)
    assert loop.time() - begun == pytest.approx(1.0)


def test_a_rate_must_be_more_than_nothing() -> None:
    with pytest.raises(ValueError, match="rate: must be more than 0"):
        TokenBucket(0)


class _Ladder:
    def __init__(self) -> None:
        self.now = 100.0
        self.throttle = Throttle(
            clock=lambda: self.now, wall=lambda: START - 100 + self.now
        )

    def strike(self, retry_after: float | None = None) -> float:
        self.throttle.throttled(self.now, retry_after)
        wait = self.throttle.remaining()
        self.now += wait
        return wait


def test_waits_grow_from_seconds_over_minutes_to_the_day() -> None:
    ladder = _Ladder()
    waits = [ladder.strike() for _ in range(7)]
    assert waits[:6] == [1.0, 2.0, 4.0, 300.0, 300.0, 300.0]
    assert waits[6] == pytest.approx(NOON_TO_MIDNIGHT - sum(waits[:6]))
    assert ladder.strike() == 1.0


def test_tiktoks_own_wait_comes_first_but_never_cuts_the_long_ones() -> None:
    ladder = _Ladder()
    assert [ladder.strike(9.0) for _ in range(4)] == [9.0, 9.0, 9.0, 300.0]
    assert ladder.strike(900.0) == 900.0


def test_requests_that_were_under_way_together_count_once() -> None:
    ladder = _Ladder()
    sent = ladder.now
    ladder.now += 0.2
    for _ in range(5):
        ladder.throttle.throttled(sent, None)
    assert ladder.throttle.remaining() == pytest.approx(1.0)
    ladder.now += 1.0
    assert ladder.strike() == 2.0


def test_only_an_answer_to_a_later_request_ends_the_series() -> None:
    ladder = _Ladder()
    sent = ladder.now
    ladder.now += 0.2
    ladder.strike()
    ladder.throttle.passed(sent)
    assert ladder.strike() == 2.0
    ladder.throttle.passed(ladder.now)
    assert ladder.strike() == 1.0


@virtually
async def test_after_three_long_waits_an_app_rests_until_midnight_utc() -> None:
    bench = Bench(lambda _ids: THROTTLED)
    await bench.put(1)
    await bench.until(1000)
    status = bench.status()
    assert len(bench.posts) == 7
    assert status.state == "THROTTLED"
    assert status.until == pytest.approx(START + NOON_TO_MIDNIGHT)
    bench.answering = lambda _ids: OK
    await bench.until(NOON_TO_MIDNIGHT - 1)
    assert len(bench.posts) == 7
    await bench.until(NOON_TO_MIDNIGHT + 2)
    assert len(bench.posts) == 8
    assert len(bench.outbox.delivered) == 1


@virtually
async def test_connections_of_one_app_wait_together_and_others_do_not() -> None:
    bench = Bench(
        lambda ids: THROTTLED if ids == ["0"] and bench.now < 1 else OK,
        names=("shop", "app", "store"),
        app_of=lambda name: "two" if name == "store" else "one",
    )
    await bench.put(1, "shop")
    await bench.until(0.2)
    await bench.put(1, "app", first=1)
    await bench.put(1, "store", first=1)
    await bench.until(3)
    assert bench.times("store") == [0.2]
    assert min(bench.times("app") + bench.times("shop")[1:]) == 1.1
    assert len(bench.outbox.delivered) == 3


@virtually
async def test_after_a_wait_an_app_sends_one_request_until_it_is_answered() -> None:
    answers = itertools.chain([THROTTLED], itertools.repeat(OK))
    bench = Bench(
        lambda _ids: next(answers), names=("shop", "app"), app_of=lambda _name: "one"
    )
    await bench.put(1, "shop")
    await bench.until(0.5)
    assert bench.status().state == "THROTTLED"
    await bench.put(1, "app")
    await bench.until(3)
    later = [post.at for post in bench.posts if post.at > 0.5]
    assert later == pytest.approx([1.1, 1.2], abs=0.01)


@virtually
async def test_the_rate_of_an_app_holds_for_all_its_connections() -> None:
    bench = Bench(
        names=("shop", "app"), app_of=lambda _name: "one", rate=20, takes=0.01
    )
    for round_ in range(400):
        await bench.put(1, ("shop", "app")[round_ % 2], first=round_)
        await asyncio.sleep(0.01)
    for second in range(4):
        sent = [post for post in bench.posts if second <= post.at < second + 1]
        assert len(sent) <= 22
    assert len(bench.posts) >= 70


def test_a_paced_poster_answers_for_tiktok_while_it_throttles() -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        asked: list[float | None] = []

        class Poster:
            answer = THROTTLED

            async def post(  # noqa: PLR0913  the shape of a poster
                self,
                path: str,
                token: str,
                body: bytes,
                *,
                key: str,
                resend: int = 0,
                patience: float | None = None,
            ) -> Answer:
                del path, token, body, key, resend
                asked.append(patience)
                return self.answer

        poster = Poster()
        pace = AppPace(
            bucket=TokenBucket(1, clock=loop.time),
            throttle=Throttle(clock=loop.time, wall=lambda: START),
        )
        paced = PacedPoster(poster, pace)
        first = await paced.post("/", "token", b"", key="shop", patience=5.0)
        assert first == THROTTLED
        second = await paced.post("/", "token", b"", key="shop", patience=5.0)
        assert (second.http_status, second.retry_after) == (429, 1.0)
        assert asked == [5.0]
        await asyncio.sleep(1.0)
        poster.answer = OK
        assert await paced.post("/", "token", b"", key="shop", patience=5.0) == OK
        refused = await paced.post("/", "token", b"", key="shop", patience=0.5)
        assert (refused.http_status, refused.retry_after) == (429, 0.5)
        assert await paced.post("/", "token", b"", key="shop", patience=5.0) == OK
        assert asked == [5.0, 5.0, 4.0]

    run_virtually(story())
