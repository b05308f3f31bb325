"""Which events a custom mapping matches, and which of their products are left."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from strategies.cases import BATCH, EVENT, merged
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.read_json import read_json
from tokferry_server.settings import connection_from_mapping

CASES = tomllib.loads((Path(__file__).parent / "matching.toml").read_text("utf-8"))


def described(case: dict[str, Any]) -> str:
    return case.get("about") or f"{case['match']} {case.get('event', '')}"


@pytest.mark.parametrize("case", CASES["case"], ids=described)
def test_a_mapping_matches_or_not(case: dict[str, Any]) -> None:
    mapping = {"name": "m", "match": case["match"], "event": "Matched"}
    connection = connection_from_mapping(
        {"pixel_id": "P", "custom_mappings": [mapping]}
    )
    change = {"event_type": case.get("event_type", "commerce_event")}
    event = merged(EVENT, {**change, "data": case.get("event", {})})
    body = json.dumps({**BATCH, "events": [event]}).encode()
    (outcome,) = Transformer(connection.mapping).transform(read_json(body))
    names = [one.event.event for one in outcome.events]

    assert (names == ["Matched"]) is not case.get("unmatched", False)
    if "Matched" in names:
        properties = outcome.events[0].event.properties
        ids = (properties and properties.content_ids) or []
        assert ids == case.get("left", [])
    else:
        assert "left" not in case
