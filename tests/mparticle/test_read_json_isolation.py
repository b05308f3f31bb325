"""One malformed event, or shared part of a batch, never costs its neighbours."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from strategies.cases import BATCH, EVENT, batch, merged
from tokferry_server.mparticle.model import (
    Batch,
    BatchData,
    Event,
    EventData,
    Malformed,
)
from tokferry_server.mparticle.read_json import read_json

MARKER = "zanzibar"
"""A value that must never come back in an error."""


def read_events(*events: Any) -> Sequence[Event | Malformed]:
    (read,) = read_json(json.dumps({**BATCH, "events": events}).encode())
    assert isinstance(read, Batch)
    return read.events


def event(**data: Any) -> dict[str, Any]:
    return dict(merged(EVENT, {"data": data}))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (MARKER, "event"),
        (17, "event"),
        (None, "event"),
        ([], "event"),
        ({"event_type": "custom_event", "data": MARKER}, "event"),
        ({"event_type": "custom_event", "data": [MARKER]}, "event"),
        (event(custom_flags=MARKER), "event.custom_flags"),
        (event(custom_attributes=7), "event.custom_attributes"),
        (event(device_info=MARKER), "event.device_info"),
        (event(product_action=MARKER), "event.product_action"),
        (event(product_action=[MARKER]), "event.product_action"),
        (event(product_action={"products": MARKER}), "event.product_action.products"),
        (
            event(product_action={"products": [{}, MARKER]}),
            "event.product_action.products[1]",
        ),
        (
            event(product_action={"products": [{"custom_attributes": MARKER}]}),
            "event.product_action.products[0].custom_attributes",
        ),
        (
            event(promotion_action={"promotions": {}}),
            "event.promotion_action.promotions",
        ),
        (
            event(product_impressions=[{"products": [[]]}]),
            "event.product_impressions[0].products[0]",
        ),
    ],
)
def test_one_malformed_event_keeps_its_neighbours(wrong: Any, field: str) -> None:
    first, malformed, last = read_events(event(), wrong, event(event_id=7))

    assert isinstance(first, Event)
    assert isinstance(last, Event)
    assert isinstance(malformed, Malformed)
    assert malformed.field == field
    assert MARKER not in malformed.problem


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"user_identities": MARKER}, "batch.user_identities"),
        ({"user_attributes": MARKER}, "batch.user_attributes"),
        ({"partner_identities": 7}, "batch.partner_identities"),
        ({"device_info": MARKER}, "batch.device_info"),
        ({"application_info": [MARKER]}, "batch.application_info"),
        ({"source_info": MARKER}, "batch.source_info"),
        ({"consent_state": MARKER}, "batch.consent_state"),
        ({"consent_state": {"gdpr": MARKER}}, "batch.consent_state.gdpr"),
        (
            {"consent_state": {"gdpr": {MARKER: MARKER}}},
            "batch.consent_state.gdpr[...]",
        ),
        ({"consent_state": {"ccpa": MARKER}}, "batch.consent_state.ccpa"),
        (
            {"consent_state": {"ccpa": {"data_sale_opt_out": True}}},
            "batch.consent_state.ccpa.data_sale_opt_out",
        ),
    ],
)
def test_a_malformed_shared_part_gives_each_event_its_path(
    change: dict[str, Any], field: str
) -> None:
    wrong = batch(change, [{}, {}])
    right = batch({}, [{}])
    malformed, kept = read_json(json.dumps([wrong, right]).encode())

    assert isinstance(malformed, Batch)
    assert isinstance(kept, Batch)
    assert len(malformed.events) == 2
    for one in malformed.events:
        assert isinstance(one, Malformed)
        assert one.field == field
        assert MARKER not in one.problem + one.field


@pytest.mark.parametrize("events", ["[]", "null"])
def test_a_malformed_batch_without_events_is_told_once(events: str) -> None:
    (read,) = read_json(f'{{"device_info": 5, "events": {events}}}'.encode())

    assert isinstance(read, Malformed)
    assert read.field == "batch.device_info"


def test_events_that_are_no_array_are_a_malformed_batch() -> None:
    (read,) = read_json(b'{"events": {"0": {}}}')

    assert isinstance(read, Malformed)
    assert read.field == "batch.events"


def test_unknown_keys_are_passed_over_everywhere() -> None:
    given = batch(
        {"modified": True, "device_info": {"radio": {"x": 1}}, "context": 7},
        [{"event_duration": 5, "product_action": {"products": [{"sku": "s"}]}}],
    )
    (read,) = read_json(json.dumps(given).encode())

    assert isinstance(read, Batch)
    assert isinstance(read.events[0], Event)


def test_null_in_place_of_every_member() -> None:
    nulls = dict.fromkeys(BatchData.__struct_fields__)
    data = dict.fromkeys(EventData.__struct_fields__)
    given = {**nulls, "events": [{"event_type": None, "data": data}, {"data": None}]}
    (read,) = read_json(json.dumps(given).encode())

    assert isinstance(read, Batch)
    assert [type(one) for one in read.events] == [Event, Event]
