"""Events as bytes: what the two wire formats write, and how they join a request."""

import json
from typing import Any

import pytest

from tokferry_server.tiktok.events_1 import EVENTS_1
from tokferry_server.tiktok.events_2 import EVENTS_2
from tokferry_server.tiktok.model import Content, Event, Page, Properties, User
from tokferry_server.tiktok.wire import Route

ROUTE_1 = Route(wire_format="events_1", event_source="web", event_source_id="C4EXAMPLE")
ROUTE_2 = Route(wire_format="events_2", event_source="web", event_source_id="C4EXAMPLE")


def legacy(event: Event, time_ms: int = 1_700_000_000_123) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(EVENTS_1.encode_event(event, time_ms))
    return written


def event(**members: Any) -> Event:
    return Event(event="Search", event_time=1_700_000_000, **members)


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [
        (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
        (1_700_000_000_000, "2023-11-14T22:13:20.000Z"),
        (1_709_164_799_999, "2024-02-28T23:59:59.999Z"),
        (1_709_164_800_007, "2024-02-29T00:00:00.007Z"),
        (100_000_000_000, "1973-03-03T09:46:40.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_legacy_time_is_iso_8601_with_milliseconds(time_ms: int, text: str) -> None:
    assert legacy(event(), time_ms)["timestamp"] == text


def test_legacy_user_takes_the_first_of_several_identities() -> None:
    user = User(email=("a", "b"), phone=("c", "d"), external_id="e", ttp="t")

    assert legacy(event(user=user))["context"]["user"] == {
        "email": "a",
        "phone_number": "c",
        "external_id": "e",
        "ttp": "t",
    }


def test_legacy_content_type_stands_in_each_content() -> None:
    properties = Properties(
        contents=[Content(content_id="p1", brand="Acme"), Content(price=5)],
        content_ids=["p1"],
        content_type="product",
        order_id="T-1",
        search_string="shoes",
        description="text",
    )

    assert legacy(event(properties=properties))["properties"] == {
        "contents": [
            {"content_type": "product", "content_id": "p1"},
            {"price": 5, "content_type": "product"},
        ],
        "query": "shoes",
        "description": "text",
    }


def test_an_event_without_content_has_no_properties() -> None:
    written = legacy(event(properties=Properties(content_type="product")))

    assert "properties" not in written


def test_members_that_the_legacy_layout_does_not_have_are_left_out() -> None:
    user = User(locale="en-US", first_name="x", city="paris", ip="203.0.113.7")
    written = legacy(event(user=user, page=Page(url="https://example.com/")))

    assert written["context"] == {
        "page": {"url": "https://example.com/"},
        "ip": "203.0.113.7",
    }


@pytest.mark.parametrize("test_event_code", [None, "TEST123"])
def test_one_legacy_event_stands_in_the_root_and_goes_to_track(
    test_event_code: str | None,
) -> None:
    route = Route(
        wire_format="events_1",
        event_source="web",
        event_source_id="C4EXAMPLE",
        test_event_code=test_event_code,
    )
    encoded = EVENTS_1.encode_event(event(event_id="1"), 1_700_000_000_123)
    head = {"test_event_code": test_event_code} if test_event_code else {}

    assert EVENTS_1.path(1) == "/open_api/v1.3/pixel/track/"
    assert json.loads(EVENTS_1.encode_request(route, [encoded])) == {
        "pixel_code": "C4EXAMPLE",
        **head,
        **json.loads(encoded),
    }


def test_several_legacy_events_stand_in_batch() -> None:
    encoded = [EVENTS_1.encode_event(event(event_id=one), 10**12) for one in "ab"]
    body = EVENTS_1.encode_request(ROUTE_1, encoded)

    assert EVENTS_1.path(2) == "/open_api/v1.3/pixel/batch/"
    assert json.loads(body) == {
        "pixel_code": "C4EXAMPLE",
        "batch": [json.loads(one) for one in encoded],
    }
    assert all(one in body for one in encoded)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("source", ["web", "app", "offline", "crm"])
def test_events_stand_in_data_byte_for_byte(source: str, count: int) -> None:
    route = Route(
        wire_format="events_2",
        event_source=source,
        event_source_id="C4EXAMPLE",
        test_event_code='TEST"1',
    )
    encoded = [EVENTS_2.encode_event(event(event_id=one), 0) for one in "ab"[:count]]
    body = EVENTS_2.encode_request(route, encoded)

    assert EVENTS_2.path(count) == "/open_api/v1.3/event/track/"
    assert json.loads(body) == {
        "event_source": source,
        "event_source_id": "C4EXAMPLE",
        "test_event_code": 'TEST"1',
        "data": [json.loads(one) for one in encoded],
    }
    assert b'"data":[' + b",".join(encoded) + b"]}" in body


@pytest.mark.parametrize(
    ("given", "written"),
    [(100, b"100"), (99.9, b"99.9"), (0.1, b"0.1"), (1e300, b"1e300"), (0, b"0")],
)
def test_numbers_are_written_as_the_shortest_double(
    given: float, written: bytes
) -> None:
    encoded = EVENTS_2.encode_event(event(properties=Properties(value=given)), 0)

    assert b'"value":' + written + b"}" in encoded


def test_the_limits_are_those_of_the_endpoints() -> None:
    assert (EVENTS_1.max_events, EVENTS_2.max_events) == (50, 1000)
    assert (EVENTS_1.name, EVENTS_2.name) == ("events_1", "events_2")
