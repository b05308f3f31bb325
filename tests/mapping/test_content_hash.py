"""The id made from an event's content: frozen, stable, and the same from every side."""

import base64
import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from strategies.cases import batch, connection
from tokferry_server.mapping.content_hash import content_hash
from tokferry_server.mapping.outcome import DropReason
from tokferry_server.mapping.scope import Scope
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.model import Batch, Event
from tokferry_server.mparticle.read_json import read_json

VECTORS = tomllib.loads(
    (Path(__file__).parent / "content_hash.toml").read_text("utf-8")
)["vector"]


def ids_of(
    change: dict[str, Any],
    events: list[dict[str, Any]],
    event_type: str = "commerce_event",
) -> list[str | None]:
    """Give the content hash of each event of a batch."""
    (read,) = read_json(json.dumps(batch(change, events)).encode())
    assert isinstance(read, Batch)
    scope = Scope(connection(), read.data)
    ids = []
    for index, event in enumerate(read.events):
        assert isinstance(event, Event)
        assert event.data is not None
        scope.begin(event.data, event_type, index)
        ids.append(content_hash(scope))
    return ids


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["description"])
def test_the_ids_are_frozen(vector: dict[str, Any]) -> None:
    twin = vector.get("twin", 0)

    events = [vector["event"]] * (twin + 1)
    ids = ids_of(vector["batch"], events, vector.get("type", "commerce_event"))

    assert ids[twin] == vector["id"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["description"])
def test_the_ids_follow_from_the_canonical_form(vector: dict[str, Any]) -> None:
    who = hashlib.sha256(vector.get("who", "").encode()).hexdigest()
    canonical = vector["canonical"].replace("@", who).encode()
    text = base64.b32encode(hashlib.sha256(canonical).digest()).decode().lower()

    assert vector["id"] == f"h1_{text[:26]}"


def test_twins_stay_two_and_a_resent_batch_gets_the_same_ids() -> None:
    twins: list[dict[str, Any]] = [{}, {"event_num": 2}, {}]
    first = ids_of({}, twins)

    assert len(set(first)) == 3
    assert ids_of({}, twins) == first


def test_only_byte_identical_events_are_twins() -> None:
    alone = ids_of({}, [{"event_num": 2}])
    behind_another = ids_of({}, [{"event_num": 1}, {"event_num": 2}])

    assert behind_another[1:] == alone


def test_the_same_event_in_two_batches_has_one_id() -> None:
    settings = connection(event_id_sources=["content_hash"])
    given = [batch({}, [{}]), batch({"message_id": "again"}, [{}])]
    first, second = Transformer(settings).transform(
        read_json(json.dumps(given).encode())
    )

    assert first.events[0].event.event_id == second.events[0].event.event_id


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ({"timestamp_unixtime_ms": "1700000000123"}, {}),
        ({"timestamp_unixtime_ms": 1700000000123.0}, {}),
        (
            {"custom_attributes": {"a": 1, "b": 2}},
            {"custom_attributes": {"b": 2, "a": 1}},
        ),
        ({"custom_attributes": {"a": 1}}, {"custom_attributes": {"a": 1.0, "b": None}}),
        ({"custom_attributes": {}}, {"custom_attributes": []}),
        ({"session_id": 7}, {"session_id": "7"}),
        ({"event_num": "3"}, {"event_num": 3}),
        ({"event_name": None}, {"event_name": "eCommerce - Purchase"}),
        (
            {"product_action": {"total_amount": "5", "products": [{"price": "1.0"}]}},
            {"product_action": {"total_amount": 5.0, "products": [{"price": 1}]}},
        ),
    ],
)
def test_another_spelling_of_the_same_event_has_the_same_id(
    here: dict[str, Any], there: dict[str, Any]
) -> None:
    assert ids_of({}, [here]) == ids_of({}, [there])


@pytest.mark.parametrize(
    ("batch_change", "event"),
    [
        ({"mpid": 2}, {}),
        ({"user_identities": {"customer_id": "u1"}}, {}),
        ({}, {"timestamp_unixtime_ms": 1_700_000_000_124}),
        ({}, {"session_id": 7}),
        ({}, {"event_num": 7}),
        ({}, {"custom_attributes": {"a": "1"}}),
        ({}, {"product_action": {"action": "purchase"}}),
        ({}, {"product_action": {"transaction_id": "T-1"}}),
        ({}, {"product_action": {"total_amount": 1}}),
        ({}, {"product_action": {"products": [{"id": "p1"}]}}),
        ({}, {"product_action": {"products": [{"price": 1}]}}),
    ],
)
def test_another_event_has_another_id(
    batch_change: dict[str, Any], event: dict[str, Any]
) -> None:
    assert ids_of(batch_change, [event]) != ids_of({}, [{}])


def test_what_the_batch_gained_on_its_way_does_not_change_the_id() -> None:
    gained = {
        "message_id": "5f1c",
        "batch_id": 5,
        "timestamp_unixtime_ms": 1_700_000_009_999,
        "ip": "198.51.100.9",
    }

    assert ids_of(gained, [{}]) == ids_of({}, [{}])


@pytest.mark.parametrize("time", ["<absent>", "<null>", 0, "", "soon"])
def test_without_a_time_there_is_no_stable_id(time: Any) -> None:
    event = {"timestamp_unixtime_ms": time, "source_message_id": "<absent>"}
    given = batch({"timestamp_unixtime_ms": 1_700_000_000_123}, [event])
    assert ids_of({}, [event]) == [None]

    (outcome,) = Transformer(connection()).transform(
        read_json(json.dumps(given).encode())
    )
    assert outcome.drop
    reason = "INVALID_TIMESTAMP" if time == "soon" else "NO_STABLE_EVENT_ID"
    assert outcome.drop.reason is DropReason[reason]


def test_an_id_is_its_version_and_26_letters() -> None:
    (made,) = ids_of({}, [{}])

    assert re.fullmatch(r"h1_[a-z2-7]{26}", str(made))
