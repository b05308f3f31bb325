from typing import Any

import msgspec
import pytest

from tokferry_server.delivery import Parcel
from tokferry_server.tiktok.answer import Answer
from tokferry_server.tiktok.wire import MAX_REQUEST_BYTES, Route

ROUTE = Route(wire_format="events_2", event_source="web", event_source_id="C4MADEUP")
LEGACY = msgspec.structs.replace(ROUTE, wire_format="events_1")


def _ok(_ids: list[str]) -> Answer:
    return Answer(http_status=200, code=0)


def _parcels(sizes: list[int], route: Route = ROUTE) -> list[Parcel]:
    """Make events whose bodies have exactly these sizes."""
    made = []
    for index, size in enumerate(sizes):
        head = b'{"event_id":"%d","x":"' % index
        body = head + b"y" * (size - len(head) - 2) + b'"}'
        assert len(body) == size
        made.append(Parcel(route=route, event="X", event_id=str(index), body=body))
    return made


def _frame(route: Route) -> int:
    """Count the bytes around the events, by the layout itself."""
    return len(
        b'{"event_source":"web","event_source_id":"C4MADEUP","data":[]}'
        if route.wire_format == "events_2"
        else b'{"pixel_code":"C4MADEUP","batch":[]}'
    )


@pytest.mark.parametrize(
    ("count", "wire", "sizes"),
    [
        (0, "events_2", []),
        (1, "events_2", [1]),
        (1000, "events_2", [1000]),
        (1001, "events_2", [1000, 1]),
        (2500, "events_2", [1000, 1000, 500]),
        (1, "events_1", [1]),
        (50, "events_1", [50]),
        (120, "events_1", [50, 50, 20]),
    ],
)
async def test_requests_are_filled_to_the_event_limit(
    bench: Any, count: int, wire: Any, sizes: list[int]
) -> None:
    line = bench(_ok)
    route = msgspec.structs.replace(ROUTE, wire_format=wire)
    results = await line.send(_parcels([60] * count, route))
    assert [len(ids) for ids in line.poster.requests] == sizes
    assert [one.outcome for one in results] == ["DELIVERED"] * count


async def test_the_legacy_path_follows_the_number_of_events(bench: Any) -> None:
    line = bench(_ok)
    await line.send(_parcels([60] * 51, LEGACY))
    assert line.poster.paths == [
        "/open_api/v1.3/pixel/batch/",
        "/open_api/v1.3/pixel/track/",
    ]


@pytest.mark.parametrize("route", [ROUTE, LEGACY])
@pytest.mark.parametrize("over", [0, 1])
async def test_a_body_may_be_exactly_the_limit_and_no_byte_more(
    bench: Any, route: Route, over: int
) -> None:
    line = bench(_ok)
    each = 400_000
    last = MAX_REQUEST_BYTES - _frame(route) - 2 * each - 2
    await line.send(_parcels([each, each, last + over], route))
    longest = max(len(body) for body in line.poster.bodies)
    assert len(line.poster.requests) == 1 + over
    assert longest <= MAX_REQUEST_BYTES
    if not over:
        assert longest == MAX_REQUEST_BYTES


async def test_the_test_event_code_counts_in_the_size(bench: Any) -> None:
    line = bench(_ok)
    route = msgspec.structs.replace(ROUTE, test_event_code="TEST12345")
    await line.send(_parcels([499_970, 499_955], route))
    assert len(line.poster.requests) == 2


async def test_a_lone_event_over_the_limit_goes_alone(bench: Any) -> None:
    line = bench(_ok)
    results = await line.send(_parcels([100, MAX_REQUEST_BYTES + 1, 100]))
    assert sorted(line.poster.requests) == [["0", "2"], ["1"]]
    assert {one.outcome for one in results} == {"DELIVERED"}


async def test_a_thousand_events_of_a_megabyte_are_one_request(bench: Any) -> None:
    line = bench(_ok)
    size = (MAX_REQUEST_BYTES - _frame(ROUTE) - 999) // 1000
    await line.send(_parcels([size] * 1000))
    assert len(line.poster.requests) == 1


async def test_routes_do_not_mix_and_results_keep_the_callers_order(
    bench: Any,
) -> None:
    routes = [
        ROUTE,
        msgspec.structs.replace(ROUTE, event_source_id="C4OTHER"),
        msgspec.structs.replace(ROUTE, test_event_code="TEST1"),
        msgspec.structs.replace(ROUTE, event_source="offline"),
    ]
    sent = [
        msgspec.structs.replace(parcel, route=routes[index % 4])
        for index, parcel in enumerate(_parcels([60] * 40))
    ]
    refused = Answer(http_status=401, code=40001)
    line = bench(lambda ids: refused if "1" in ids else _ok(ids))
    results = await line.send(sent)
    assert len(line.poster.requests) == 4
    for ids in line.poster.requests:
        assert len({int(one) % 4 for one in ids}) == 1
    for index, result in enumerate(results):
        assert result.outcome == ("RETRYABLE" if index % 4 == 1 else "DELIVERED")


async def test_bodies_are_joined_unchanged(bench: Any) -> None:
    line = bench(_ok)
    sent = _parcels([60, 70])
    await line.send(sent)
    [body] = line.poster.bodies
    assert b",".join(parcel.body for parcel in sent) in body


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "tök", "a\x7f"])
async def test_a_token_that_no_header_carries_is_refused_without_showing_it(
    bench: Any, token: str
) -> None:
    line = bench(_ok)
    with pytest.raises(ValueError, match="access_token") as caught:
        await line.forwarder.forward([], lambda: token, key="shop", deadline=None)
    assert not token or token not in str(caught.value)
