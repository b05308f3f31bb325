"""Whatever a mapping that is allowed reads, nobody's identity is sent in clear text."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any, get_type_hints

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strategies import messages
from tokferry.mparticle import v1 as mparticle
from tokferry_server.mapping.custom.properties import load_properties
from tokferry_server.mapping.paths import Path, PathError, parse_path
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.model import BatchData, EventData, Product
from tokferry_server.mparticle.read_proto import read_proto
from tokferry_server.settings import SettingsError, connection_from_mapping
from tokferry_server.tiktok.formats import wire_format

MARKER = "zanzibar"
ROOTS: dict[str, type[msgspec.Struct]] = {
    "batch": BatchData,
    "event": EventData,
    "product": Product,
}
KEYS = (
    *("email", "$Email", "$Mobile", "$FirstName", "$LastName", "$Address", "phone"),
    *("E-Mail", "mobile_number", "ip_address", "TikTok.Ttp", "TikTok.Callback"),
    *("plan price", "k", "lead_id", "$Zip"),
)
PERSONAL_KEYS = KEYS[:12]
NAMES = sorted(set(load_properties()) - {"query"})


def walk(root: str, model: type[msgspec.Struct], depth: int = 0) -> Iterator[str]:
    """Give every path of the model, each map with keys of all kinds."""
    for name, hint in get_type_hints(model).items():
        yield f"{root}.{name}"
        yield f"{root}['{name}']"
        for key in KEYS:
            yield f"{root}.{name}['{key}']"
        for inner in getattr(hint, "__args__", ()):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                yield from walk(f"{root}.{name}", inner, depth + 1)
        for identity in ("email", "customer_id", "mobile_number", "tiktok_cookie_id"):
            yield f"{root}.{name}.{identity}"


def mapping(name: str, path: str) -> dict[str, Any]:
    return {
        "name": path,
        "match": {"attributes": {}},
        "event": "Anything",
        "per": "product",
        "is_default": True,
        "fields": {name: {"from": path}},
    }


def is_allowed(path: str) -> bool:
    given = {"pixel_id": "P", "custom_mappings": [mapping("content_name", path)]}
    try:
        connection_from_mapping(given)
    except SettingsError:
        return False
    return True


def parsed(path: str) -> Path | None:
    try:
        return parse_path(path)
    except PathError:
        return None


READABLE = [
    path for root, model in ROOTS.items() for path in walk(root, model) if parsed(path)
]
ALLOWED = [path for path in READABLE if is_allowed(path)]


def marked(random: Random) -> mparticle.Batch:
    """Make a batch with the marker in whatever names a person or device."""
    batch = messages.batch(random, MARKER)
    device = batch.device_info
    device.ios_advertising_id = device.android_advertising_id = f"{MARKER}-ad"
    device.ios_idfv = f"{MARKER}-idfv"
    batch.partner_identities["tiktok_cookie_id"] = MARKER
    for key in ("$Mobile", "$FirstName", "$LastName", "$Address", "email", "phone"):
        batch.user_attributes[key].string_value = f"{MARKER}@example.com"
    for event in batch.events:
        if event.HasField("common"):
            for key in ("email", "E-Mail", "mobile_number", "ip_address"):
                event.common.custom_attributes[key].string_value = MARKER
            event.common.custom_flags["TikTok.Ttp"].string_value = MARKER
    return batch


def test_there_are_many_paths_and_those_to_persons_are_none_of_the_allowed() -> None:
    personal = [path for path in READABLE if path not in ALLOWED]

    assert len(ALLOWED) > 100
    assert len(personal) > 90
    named = ("user_identities", "mpid", "partner_identities", "user_agent", ".ip")
    for path in ALLOWED:
        assert not any(name in path for name in named), path
    assert not any(
        key in path
        for path in ALLOWED
        if "user_attributes" in path
        for key in ("email", "$Mobile", "Name", "$Address", "phone")
    )


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    random=st.randoms(use_true_random=False),
    chosen=st.lists(st.sampled_from(ALLOWED), min_size=1, max_size=6, unique=True),
    source=st.sampled_from(("web", "app", "crm")),
    per=st.sampled_from(("event", "product")),
)
def test_no_identity_is_sent_in_clear_text(
    random: Random, chosen: list[str], source: str, per: str
) -> None:
    names = [random.choice(("content_name", "brand", "content_id")) for _ in chosen]
    given = {
        "pixel_id": "P",
        "event_source": source,
        "app_id": "com.example",
        "ip_and_user_agent": "optional",
        "email_identity_types": ["email", "other", "google"],
        "custom_mappings": [
            {**mapping(name, path), "per": per}
            for name, path in zip(names, chosen, strict=True)
        ],
    }
    if source != "app":
        del given["app_id"]
    if source != "web":
        del given["ip_and_user_agent"]
    connection = connection_from_mapping(given).mapping
    wire = wire_format(connection.wire_format)
    batches = [marked(random) for _ in range(5)]
    for outcome in Transformer(connection).transform(read_proto(batches)):
        for mapped in outcome.events:
            sent = json.loads(wire.encode_event(mapped.event, mapped.time_ms))
            for device_id in ("idfa", "gaid", "idfv", "ttp"):
                sent.get("user", {}).pop(device_id, None)
            assert MARKER not in json.dumps(sent).lower()


def test_the_property_would_see_an_identity_that_is_sent() -> None:
    seen = 0
    given = {"pixel_id": "P", "ip_and_user_agent": "optional"}
    fields = {"description": {"from": "event.custom_attributes.nickname"}}
    given["custom_mappings"] = [  # type: ignore[assignment]
        {**mapping("brand", "event.event_name"), "per": "event", "fields": fields}
    ]
    connection = connection_from_mapping(given).mapping
    for seed in range(40):
        batch = marked(Random(seed))
        for event in batch.events:
            event.common.custom_attributes["nickname"].string_value = MARKER
        for outcome in Transformer(connection).transform(read_proto([batch])):
            for mapped in outcome.events:
                properties = mapped.event.properties
                seen += MARKER in str(properties and properties.description)

    assert seen > 10
