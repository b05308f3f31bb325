"""How deeply attributes may be nested for an id to be made from them."""

import json
from typing import Any

import pytest

from strategies.cases import BATCH, EVENT, connection, merged
from tokferry_server.mapping.outcome import DropReason, Outcome
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.read_json import read_json

LEVELS = 32


def outcome(attributes: Any) -> Outcome:
    change = {"source_message_id": "<absent>", "custom_attributes": attributes}
    event = merged(EVENT, {"data": change})
    body = json.dumps({**BATCH, "events": [event]}).encode()
    (made,) = Transformer(connection()).transform(read_json(body))
    return made


def nested(levels: int, *, in_lists: bool) -> Any:
    value: Any = "deep"
    for _ in range(levels - 1):
        value = [value] if in_lists else {"k": value}
    return {"k": value}


@pytest.mark.parametrize("in_lists", [False, True])
def test_attributes_are_read_to_a_depth_and_no_further(in_lists: bool) -> None:
    made = outcome(nested(LEVELS, in_lists=in_lists))
    too_deep = outcome(nested(LEVELS + 1, in_lists=in_lists))

    assert made.drop is None
    assert too_deep.drop is not None
    assert too_deep.drop.reason is DropReason.MALFORMED_EVENT
    assert too_deep.drop.field == "event.custom_attributes"
