import json
from typing import Any

import pytest

from tokferry_server.sandbox.strict import BATCH_1, TRACK_1, first_problem
from tokferry_server.tiktok.events_1 import EVENTS_1
from tokferry_server.tiktok.model import Event, Page, Properties, User
from tokferry_server.tiktok.wire import Route

DIGEST = "ddc7e2b3e5e4a3d8d3ba91b8bb5c1d1b9f7c50e9cd5bdb6cb9a7ffb86dbfa6a3"
ROUTE = Route(wire_format="events_1", event_source="web", event_source_id="C4MADEUP")
EVENT = EVENTS_1.encode_event(
    Event(
        event="PlaceAnOrder",
        event_time=1795000000,
        event_id="a-1",
        user=User(email=(DIGEST, "0" * 64), ip="203.0.113.9", ttclid="E.C.P.x"),
        page=Page(url="https://example.com/"),
        properties=Properties(value=5, currency="USD", search_string="hats"),
    ),
    1795000000123,
)


def _batch(*events: dict[str, Any]) -> bytes:
    return json.dumps({"pixel_code": "C4MADEUP", "batch": events}).encode()


def test_what_the_wire_format_writes_passes() -> None:
    one = EVENTS_1.encode_request(ROUTE, [EVENT])
    assert first_problem(TRACK_1, one) is None
    assert first_problem(BATCH_1, EVENTS_1.encode_request(ROUTE, [EVENT] * 50)) is None


def test_more_than_fifty_events_are_refused() -> None:
    problem = first_problem(BATCH_1, EVENTS_1.encode_request(ROUTE, [EVENT] * 51))
    assert problem is not None
    assert (problem.index, problem.path) == (None, "batch")


@pytest.mark.parametrize(
    ("change", "place", "code"),
    [
        ({"timestamp": "1795000000"}, "timestamp", 40002),
        ({"timestamp": "2026-11-18T10:26:40"}, "timestamp", 40002),
        ({"context": {}}, "context", 40002),
        ({"context": {"user": {"email": DIGEST}}}, "context.page", 40002),
        ({"type": "page"}, "type", 40002),
        ({"event_time": 1795000000}, "event_time", 40002),
        (
            {"context": {"page": {"url": "https://x.example"}, "user": {"email": "a"}}},
            "context.user.email",
            40062,
        ),
        (
            {"context": {"page": {"url": "https://x.example"}, "ip": "10.0.0.1"}},
            "context.ip",
            40002,
        ),
    ],
)
def test_one_change_is_refused(change: dict[str, Any], place: str, code: int) -> None:
    good = json.loads(EVENT)
    problem = first_problem(BATCH_1, _batch(good, {**good, **change}))
    assert problem is not None
    assert (problem.index, problem.path, problem.code) == (1, place, code)
    lone = json.dumps({"pixel_code": "C4MADEUP", **good, **change}).encode()
    problem = first_problem(TRACK_1, lone)
    assert problem is not None
    assert (problem.index, problem.path, problem.code) == (None, place, code)
