"""Every standard name of TikTok's is reachable for the sources that know it."""

import json

import pytest

from strategies.cases import batch, connection
from tokferry_server.mapping.native import snake_case
from tokferry_server.mapping.outcome import DropReason, Outcome
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.read_json import read_json
from tokferry_server.tiktok.names import APP_EVENTS, STANDARD_EVENTS

KNOWN = {
    "web": STANDARD_EVENTS,
    "app": APP_EVENTS,
    "offline": STANDARD_EVENTS,
    "crm": STANDARD_EVENTS,
}
NAMES = [(source, name) for source, names in KNOWN.items() for name in sorted(names)]
FOREIGN = [
    (source, name)
    for source, names in KNOWN.items()
    for name in sorted((APP_EVENTS | STANDARD_EVENTS) - names)
]


def outcome(source: str, event_name: str) -> Outcome:
    settings = connection(
        event_source=source,
        native_events="extended",
        **({"app_id": "com.example.shop"} if source == "app" else {}),
    )
    event = {
        "event_name": event_name,
        "product_action": "<absent>",
        "custom_attributes": {"lead_id": "lead-1"},
    }
    given = batch({}, [event])
    given["events"][0]["event_type"] = "custom_event"
    (result,) = Transformer(settings).transform(read_json(json.dumps(given).encode()))
    return result


@pytest.mark.parametrize(("source", "name"), NAMES)
def test_a_custom_event_of_a_standard_name_is_that_event(
    source: str, name: str
) -> None:
    for spelling in (name, snake_case(name)):
        (mapped,) = outcome(source, spelling).events
        assert mapped.event.event == name


@pytest.mark.parametrize(("source", "name"), FOREIGN)
def test_a_standard_name_of_another_source_is_dropped_as_such(
    source: str, name: str
) -> None:
    drop = outcome(source, name).drop
    assert drop is not None
    assert drop.reason is DropReason.UNSUPPORTED_FOR_SOURCE
