"""Each class of answer by each place of the bad events: what becomes of stored rows."""

import asyncio
from typing import Any

import pytest

from durable.bench import OK, Bench, bad_if, virtually
from tokferry_server.tiktok.answer import Answer, Failure

PLACES = {
    "first": ["0"],
    "middle": ["500"],
    "last": ["999"],
    "three": ["0", "500", "999"],
    "three in a row": ["997", "998", "999"],
}


def _code(code: int, status: int = 200, **more: Any) -> Answer:
    return Answer(http_status=status, code=code, **more)


DELIVERED = {
    "20001": _code(20001),
    "40050": _code(40050),
}
DEAD = {
    "40000": (_code(40000), "INVALID_EVENT"),
    "40002": (_code(40002), "INVALID_EVENT"),
    "40002 under 400": (_code(40002, 400), "INVALID_EVENT"),
    "40051": (_code(40051), "INVALID_EVENT"),
    "40063": (_code(40063), "INVALID_EVENT"),
    "40700": (_code(40700), "INVALID_EVENT"),
    "HTTP 400": (Answer(http_status=400), "INVALID_EVENT"),
    "HTTP 422": (Answer(http_status=422), "INVALID_EVENT"),
    "40062": (_code(40062), "IDENTIFIER_NOT_HASHED"),
    "40061": (_code(40061), "TOO_LARGE"),
    "HTTP 413": (Answer(http_status=413), "TOO_LARGE"),
    "40999": (_code(40999), "UNMAPPED_CODE"),
}
PAUSING = {
    "40001": (_code(40001), "CONNECTION_AUTH"),
    "40105 under 401": (_code(40105, 401), "CONNECTION_AUTH"),
    "40300": (_code(40300), "CONNECTION_AUTH"),
    "HTTP 401": (Answer(http_status=401), "CONNECTION_AUTH"),
    "HTTP 403": (Answer(http_status=403), "CONNECTION_AUTH"),
    "40007": (_code(40007), "CONNECTION_CONFIG"),
    "41000": (_code(41000), "CONNECTION_CONFIG"),
    "HTTP 302": (Answer(http_status=302), "CONNECTION_CONFIG"),
    "HTTP 404": (Answer(http_status=404), "CONNECTION_CONFIG"),
    "certificate": (Answer(failure=Failure.CERTIFICATE), "CONNECTION_CONFIG"),
}
THROTTLING = {
    "40100": _code(40100),
    "40100 under 401": _code(40100, 401),
    "40016": _code(40016),
    "40133": _code(40133),
    "61000": _code(61000),
    "HTTP 429": Answer(http_status=429),
}
CERTAIN = {
    "40200": (_code(40200), "CONFLICT"),
    "40202": (_code(40202), "CONFLICT"),
    "dns": (Answer(failure=Failure.DNS), "CONNECT_FAILED"),
    "connect": (Answer(failure=Failure.CONNECT), "CONNECT_FAILED"),
    "tls": (Answer(failure=Failure.TLS), "CONNECT_FAILED"),
    "pool": (Answer(failure=Failure.POOL), "CONNECT_FAILED"),
    "local protocol": (Answer(failure=Failure.LOCAL_PROTOCOL), "CONNECT_FAILED"),
    "queue": (Answer(failure=Failure.QUEUE), "QUEUE_FULL"),
}
AMBIGUOUS = {
    "50000": (_code(50000), "SERVER_ERROR"),
    "50002": (_code(50002), "SERVER_ERROR"),
    "51305": (_code(51305), "SERVER_ERROR"),
    "53999": (_code(53999), "SERVER_ERROR"),
    "HTTP 408": (Answer(http_status=408), "SERVER_ERROR"),
    "HTTP 425": (Answer(http_status=425), "SERVER_ERROR"),
    "HTTP 500": (Answer(http_status=500), "SERVER_ERROR"),
    "HTTP 502": (Answer(http_status=502), "SERVER_ERROR"),
    "60001": (_code(60001), "MAINTENANCE"),
    "HTTP 503": (Answer(http_status=503), "MAINTENANCE"),
    "no code": (Answer(http_status=200), "UNREADABLE_ANSWER"),
    "0 under 500": (_code(0, 500), "UNREADABLE_ANSWER"),
    "truncated": (Answer(failure=Failure.TRUNCATED), "UNREADABLE_ANSWER"),
    "write": (Answer(failure=Failure.WRITE), "CONNECTION_LOST"),
    "reset": (Answer(failure=Failure.RESET), "CONNECTION_LOST"),
    "late": (Answer(failure=Failure.READ_TIMEOUT), "TIMEOUT"),
    "77777": (_code(77777), "UNMAPPED_CODE"),
}
BATCHES: dict[str, tuple[int, list[str]]] = {
    "alone": (1, ["0"]),
    **{place: (1000, bad) for place, bad in PLACES.items()},
}
every_batch = pytest.mark.parametrize("batch", BATCHES)


@every_batch
@pytest.mark.parametrize("answer", DELIVERED)
@virtually
async def test_what_tiktok_has_is_settled(answer: str, batch: str) -> None:
    count, bad = BATCHES[batch]
    bench = Bench(bad_if(bad, DELIVERED[answer]))
    await bench.put(count)
    await bench.until(5)
    assert len(bench.outbox.delivered) == count
    assert len(bench.posts) == (1 if (answer, count) == ("20001", 1) else 2)
    assert not bench.outbox.claimed


@every_batch
@pytest.mark.parametrize("answer", DEAD)
@virtually
async def test_a_refused_event_dies_and_its_neighbours_arrive(
    answer: str, batch: str
) -> None:
    count, bad = BATCHES[batch]
    given, reason = DEAD[answer]
    bench = Bench(bad_if(bad, given))
    await bench.put(count)
    await bench.until(20)
    assert bench.dead() == dict.fromkeys(bad, reason)
    for row in bench.outbox.dead_rows.values():
        assert (row.code, row.attempts, row.ambiguous) == (given.code, 1, False)
    assert len(bench.outbox.delivered) == count - len(bad)
    assert len(bench.posts) <= 1 + (20 * len(bad) + 5 if count > 1 else 0)


@every_batch
@virtually
async def test_a_named_event_costs_one_request_more(batch: str) -> None:
    count, bad = BATCHES[batch]

    def answering(ids: list[str]) -> Answer:
        found = [index for index, one in enumerate(ids) if one in bad]
        return _code(40002, index=found[0], field="properties") if found else OK

    bench = Bench(answering)
    await bench.put(count)
    await bench.until(20)
    assert bench.dead() == dict.fromkeys(bad, "INVALID_EVENT")
    assert {row.field for row in bench.outbox.dead_rows.values()} == {"properties"}
    assert len(bench.posts) <= 2 + len(bad) + 1


@every_batch
@pytest.mark.parametrize("answer", PAUSING)
@virtually
async def test_a_faulty_connection_pauses_and_keeps_its_events(
    answer: str, batch: str
) -> None:
    count, bad = BATCHES[batch]
    given, reason = PAUSING[answer]
    bench = Bench(bad_if(bad, given))
    await bench.put(count)
    await bench.until(50)
    status = bench.status()
    assert (status.state, status.reason) == ("PAUSED", reason)
    assert len(bench.posts) == 1
    assert len(bench.outbox.pending) == count
    assert {row.attempts for row in bench.outbox.pending.values()} == {0}
    assert {row.first_ambiguous_at for row in bench.outbox.pending.values()} == {None}


@every_batch
@pytest.mark.parametrize("answer", THROTTLING)
@virtually
async def test_a_throttled_app_waits_without_counting_a_try(
    answer: str, batch: str
) -> None:
    count, bad = BATCHES[batch]
    bench = Bench(bad_if(bad, THROTTLING[answer]))
    await bench.put(count)
    await bench.until(1)
    assert bench.status().state == "THROTTLED"
    assert {row.attempts for row in bench.outbox.pending.values()} == {0}
    assert len(bench.outbox.pending) == count
    await bench.until(5)
    assert bench.times() == [0.0, 1.1, 3.2]


@every_batch
@pytest.mark.parametrize("answer", CERTAIN)
@virtually
async def test_what_was_certainly_not_taken_waits_for_a_try(
    answer: str, batch: str
) -> None:
    count, bad = BATCHES[batch]
    given, reason = CERTAIN[answer]
    bench = Bench(bad_if(bad, given), random=0.9)
    await bench.put(count)
    await bench.until(0.5)
    assert len(bench.outbox.pending) == count
    for row in bench.outbox.pending.values():
        assert (row.attempts, row.first_ambiguous_at) == (1, None)
        assert row.next_at == pytest.approx(bench.wall() - 0.4 + 0.9)
    assert bench.status().counts.requests == {reason: 1}


@every_batch
@pytest.mark.parametrize("answer", AMBIGUOUS)
@virtually
async def test_what_may_have_been_taken_is_marked_and_sent_again(
    answer: str, batch: str
) -> None:
    count, bad = BATCHES[batch]
    given, reason = AMBIGUOUS[answer]
    bench = Bench(bad_if(bad, given), random=0.9)
    began = bench.wall()
    await bench.put(count)
    await asyncio.sleep(0.5)
    wait = 30.0 if reason == "MAINTENANCE" else 0.9
    for row in bench.outbox.pending.values():
        assert (row.attempts, row.last_code) == (1, given.code)
        assert row.first_ambiguous_at == pytest.approx(began)
        assert row.next_at == pytest.approx(began + 0.1 + wait)
    bench.answering = lambda _ids: OK
    await bench.until(40)
    assert len(bench.outbox.delivered) == count
    assert bench.posts[0].body == bench.posts[1].body
    assert len(bench.posts) == 2


@pytest.mark.parametrize("answer", DEAD)
@virtually
async def test_a_batch_that_fails_alike_empties_nothing_into_the_dead_letters(
    answer: str,
) -> None:
    given, _ = DEAD[answer]
    bench = Bench(lambda _ids: given)
    await bench.put(1000)
    await bench.until(30)
    assert (bench.status().state, bench.status().reason) == (
        "PAUSED",
        "CONNECTION_SUSPECTED",
    )
    assert len(bench.outbox.pending) == 1000
    assert len(bench.posts) <= 65
