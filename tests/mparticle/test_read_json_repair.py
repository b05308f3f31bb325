"""JSON that strict readers refuse though senders do write it."""

import json
import time
from typing import Any

import pytest

from strategies.cases import batch, connection
from tokferry_server.mapping.outcome import Outcome
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.read_json import read_json

HOLE = b'"HOLE"'


def fill(name: str, raw: bytes) -> bytes:
    """Give a batch of two events, with raw bytes as a member of the first one."""
    first: dict[str, Any] = {name: "HOLE"}
    if name == "total_amount":
        first = {"product_action": first}
    text = json.dumps(batch({}, [first, {"source_message_id": "message-2"}]))
    return text.encode().replace(HOLE, raw)


def fill_shared(name: str, raw: bytes) -> bytes:
    """Give a batch of two events, with raw bytes as a member of the batch."""
    text = json.dumps(batch({name: "HOLE"}, [{}, {"source_message_id": "message-2"}]))
    return text.encode().replace(HOLE, raw)


def outcomes(data: bytes) -> list[Outcome]:
    return list(Transformer(connection()).transform(read_json(data)))


def said(outcome: Outcome) -> list[str]:
    names = [warning.code.name for warning in outcome.warnings]
    return [outcome.drop.reason.name, *names] if outcome.drop else names


@pytest.mark.parametrize("raw", [b"NaN", b"Infinity", b"-Infinity", b"1e400"])
def test_numbers_that_are_none_cost_one_member(raw: bytes) -> None:
    first, second = outcomes(fill("total_amount", raw))

    assert said(first) == ["NUMBER_INVALID"]
    assert said(second) == []


@pytest.mark.parametrize("raw", [b'"a\\ud83d"', b'"a\\udc00b"', b'"a\xff"', b'"\xc3("'])
def test_text_that_is_no_unicode_is_mended(raw: bytes) -> None:
    first, second = outcomes(fill("source_message_id", raw))

    assert first.events
    assert second.events


@pytest.mark.parametrize("raw", [b'"a\\ud83d"', b'"a\xff"', b"NaN"])
def test_shared_text_that_is_no_unicode_is_mended(raw: bytes) -> None:
    first, second = outcomes(fill_shared("message_id", raw))

    assert said(first) == said(second) == []


def test_a_whole_surrogate_pair_is_kept() -> None:
    (read,) = read_json(b'{"events": [], "message_id": "\\ud83d\\ude00"}')

    assert read.data.message_id == "\U0001f600"  # type: ignore[union-attr]


@pytest.mark.parametrize("digits", [19, 30, 400, 4000])
def test_huge_numbers_keep_every_digit(digits: int) -> None:
    first, second = outcomes(fill("event_id", b"7" * digits))
    assert said(second) == []
    assert said(first) == []

    text = fill("source_message_id", b"7" * digits)
    (mapped,) = outcomes(text)[0].events
    assert mapped.event.event_id == "7" * digits or digits > 128


def test_numbers_too_huge_to_read_cost_one_event() -> None:
    first, second = outcomes(fill("event_id", b"7" * 100_000))

    assert said(first) == ["MALFORMED_EVENT"]
    assert said(second) == []


@pytest.mark.parametrize("name", ["custom_attributes", "custom_flags", "event_id"])
@pytest.mark.parametrize("depth", [33, 200, 900, 990, 1100, 100_000])
def test_deep_nesting_never_stops_the_others(name: str, depth: int) -> None:
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    data = fill(name, deep).replace(b'"source_message_id": "message-1"', b'"x": 1')
    (kept,) = outcomes(data + b"\n" + json.dumps(batch({}, [{}])).encode())[-1].events

    assert kept.event.event_id == "message-1"


@pytest.mark.parametrize("depth", [33, 900])
def test_deep_nesting_costs_no_neighbour_in_the_batch(depth: int) -> None:
    deep = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
    data = fill("custom_attributes", deep)
    first, second = outcomes(
        data.replace(b'"source_message_id": "message-1"', b'"event_num": 1')
    )

    assert second.events
    assert said(first) == ["MALFORMED_EVENT"]


def test_errors_never_hold_values_of_the_input() -> None:
    for raw in (b'"zanzibar', b"zanzibar", b'"zanzibar\x01"', b'{"zanzibar": }'):
        for outcome in outcomes(fill("page_url", raw)) + outcomes(raw):
            assert outcome.drop
            assert "zanzibar" not in repr(outcome)


def test_long_odd_input_is_read_in_time() -> None:
    start = time.perf_counter()
    for piece in (b"[", b"{", b'{"a":', b'"\\', b"1 ", b"\n{", b"[]\n", b"\xff"):
        read_json(piece * 20_000)

    assert time.perf_counter() - start < 10
