"""TikTok's published digests, from mParticle's input to the bytes of a request."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from strategies.cases import batch, connection
from tokferry.mparticle import v1 as mparticle
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.model import Batch, Malformed
from tokferry_server.mparticle.read_json import read_json
from tokferry_server.mparticle.read_proto import read_proto
from tokferry_server.tiktok.events_1 import EVENTS_1
from tokferry_server.tiktok.events_2 import EVENTS_2
from tokferry_server.tiktok.wire import WireFormat

VECTORS = tomllib.loads(
    (Path(__file__).parent / "hash_vectors.toml").read_text("utf-8")
)["vector"]
LEGACY = {"email": "email", "phone": "phone_number", "external_id": "external_id"}


def from_json(vector: dict[str, str]) -> list[Batch | Malformed]:
    return read_json(json.dumps(given(vector)).encode())


def from_messages(vector: dict[str, str]) -> list[Batch | Malformed]:
    data = given(vector)["events"][0]["data"]
    kind = f"IDENTITY_TYPE_{vector['identity_type'].upper()}"
    flag = mparticle.AttributeValue(string_value=data["custom_flags"]["TikTok.URL"])
    event = mparticle.Event(
        common=mparticle.EventInfo(
            timestamp_unixtime_ms=data["timestamp_unixtime_ms"],
            source_message_id=data["source_message_id"],
            custom_flags={"TikTok.URL": flag},
        ),
        commerce_event=mparticle.CommerceEvent(
            product_action=mparticle.ProductAction(
                action=mparticle.ProductActionType.PRODUCT_ACTION_TYPE_ADD_TO_CART
            )
        ),
    )
    message = mparticle.Batch(
        events=[event],
        ip="203.0.113.7",
        device_info=mparticle.DeviceInfo(http_header_user_agent="Example/1.0"),
        user_identities=[
            mparticle.UserIdentity(
                identity_type=mparticle.IdentityType.Value(kind),
                identity=vector["clear"],
            )
        ],
    )
    return read_proto([message])


def given(vector: dict[str, str]) -> dict[str, Any]:
    identities = {"email": "<absent>", vector["identity_type"]: vector["clear"]}
    return batch({"user_identities": identities}, [{}])


def request(batches: list[Batch | Malformed], wire: WireFormat) -> dict[str, Any]:
    settings = connection(wire_format=wire.name)
    (outcome,) = Transformer(settings).transform(batches)
    (mapped,) = outcome.events
    encoded = wire.encode_event(mapped.event, mapped.time_ms)
    body: dict[str, Any] = json.loads(wire.encode_request(settings.route, [encoded]))
    return body


@pytest.mark.parametrize("read", [from_json, from_messages])
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["member"])
def test_published_digest_stands_in_the_request(vector: Any, read: Any) -> None:
    body = request(read(vector), EVENTS_2)

    assert body["data"][0]["user"][vector["member"]] == vector["sha256"]
    assert vector["clear"].strip().lower() not in json.dumps(body).lower()


@pytest.mark.parametrize("read", [from_json, from_messages])
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["member"])
def test_published_digest_stands_in_the_legacy_request(vector: Any, read: Any) -> None:
    body = request(read(vector), EVENTS_1)

    assert body["context"]["user"] == {LEGACY[vector["member"]]: vector["sha256"]}
