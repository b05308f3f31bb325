"""What the masked view hides, and what it leaves to be looked at."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tokferry_server.rpc.admin_mask import masked
from tokferry_server.tiktok.events_1 import EVENTS_1
from tokferry_server.tiktok.model import Content, Event, Page, Properties, User

DIGEST = "0123456789abcdef" * 4
EVENT = Event(
    event="Purchase",
    event_id="order-1",
    event_time=1_790_000_000,
    user=User(
        email=(DIGEST, DIGEST[::-1]),
        phone=DIGEST,
        ttclid="E.C.P.made-up",
        ttp="made-up",
        ip="2001:db8::1",
        user_agent="ExampleBrowser/1.0",
        locale="en-US",
    ),
    page=Page(url="https://shop.example.com/?q=jane", referrer="https://example.org/"),
    properties=Properties(
        value=19.5,
        currency="EUR",
        search_string="jane doe",
        description="a gift",
        contents=[Content(content_id="sku-1", price=9.75, quantity=2)],
    ),
    limited_data_use=True,
)


def view(value: Any) -> Any:
    return json.loads(masked(json.dumps(value).encode()))


def test_the_legacy_layout_is_masked_as_well() -> None:
    text = masked(EVENTS_1.encode_event(EVENT, 1_790_000_000_123)).decode()

    for secret in (DIGEST, "2001:db8", "example", "E.C.P", "made-up", "jane"):
        assert secret not in text
    event = json.loads(text)
    assert event["context"]["user"]["email"] == "(masked)"
    assert event["context"]["page"] == {"url": "(masked)", "referrer": "(masked)"}
    assert event["timestamp"] == "2026-09-21T14:13:20.123Z"
    assert event["properties"]["contents"][0]["price"] == 9.75
    assert event["limited_data_use"] is True


def test_lists_keep_their_length_and_the_locale_is_shown() -> None:
    user = view({"user": {"email": [DIGEST, DIGEST], "locale": "en-US", "ttp": None}})

    assert user == {
        "user": {"email": ["(masked)", "(masked)"], "locale": "en-US", "ttp": None}
    }


@pytest.mark.parametrize(
    "text",
    [
        "see jane.doe@example.com",
        "https://example.com/",
        f"id {DIGEST.upper()}",
        "from 203.0.113.7",
        "2001:db8:0:0:0:0:0:1",
        "2001:db8::7",
    ],
)
def test_what_tells_of_a_person_is_hidden_wherever_it_stands(text: str) -> None:
    shown = view({"properties": {"description": text, text: 1}})

    assert shown == {"properties": {"description": "(masked)", "(masked)": 1}}


@pytest.mark.parametrize("text", ["a gift", "sku-1.2", "12:30:45", "EUR", "1.2.3"])
def test_other_texts_are_shown(text: str) -> None:
    assert view({"properties": {"description": text}}) == {
        "properties": {"description": text}
    }


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_hidden_as_a_whole(body: bytes) -> None:
    assert masked(body) == b'"(masked)"'
