"""The worked examples of the page on custom mappings, as a user would write them."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tokferry_server.mapping.outcome import MappedEvent, Outcome
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.read_json import read_json
from tokferry_server.sandbox.strict import first_problem
from tokferry_server.settings import settings_from_mapping
from tokferry_server.settings.as_toml import as_toml
from tokferry_server.tiktok.formats import wire_format

FOLDER = Path(__file__).parents[2] / "server" / "docs" / "examples"
EXAMPLES = {
    path.stem: tomllib.loads(path.read_text("utf-8"))
    for path in sorted(FOLDER.glob("*.toml"))
}
each_example = pytest.mark.parametrize("name", EXAMPLES)


def transformer(name: str, *, explain: bool) -> Transformer:
    tables = tomllib.loads(EXAMPLES[name]["mapping"])
    tables["connections"]["shop"]["pixel_id"] = "C4EXAMPLE"
    connection = settings_from_mapping(tables).connections["shop"].mapping
    return Transformer(connection, explain=explain)


def outcomes(name: str, *, explain: bool = True) -> list[Outcome]:
    events = json.loads(EXAMPLES[name]["events"])
    batch = json.loads((FOLDER / "batch.json").read_text("utf-8"))
    batch["events"] = events if isinstance(events, list) else [events]
    batches = read_json(json.dumps(batch).encode())
    return list(transformer(name, explain=explain).transform(batches))


def sent(name: str, mapped: MappedEvent) -> bytes:
    connection = transformer(name, explain=True).connection
    wire = wire_format(connection.wire_format)
    return bytes(wire.encode_event(mapped.event, mapped.time_ms))


@each_example
def test_an_example_becomes_what_it_says(name: str) -> None:
    made = outcomes(name)

    assert len(made) == len(EXAMPLES[name]["want"])
    for outcome, want in zip(made, EXAMPLES[name]["want"], strict=True):
        drop = outcome.drop and [outcome.drop.reason.name, outcome.drop.field]
        assert drop == want.get("drop")
        warnings = [[one.code.name, one.field] for one in outcome.warnings]
        assert warnings == want.get("warnings", [])
        events = [shown(name, mapped) for mapped in outcome.events]
        assert json.dumps(events, indent=1) == json.dumps(
            [ordered(one) for one in want.get("events", [])], indent=1
        )


def shown(name: str, mapped: MappedEvent) -> dict[str, Any]:
    event = json.loads(sent(name, mapped))
    origins = [
        [one.tiktok, one.mparticle, one.rule]
        + ([] if one.mapping is None else [one.mapping])
        for one in mapped.origins
        if one.tiktok.startswith(("event", "properties"))
        and one.tiktok not in ("event_id", "event_time")
    ]
    return ordered({**event, "origins": origins})


def ordered(event: dict[str, Any]) -> dict[str, Any]:
    names = ("event", "event_id", "properties", "origins")
    return {name: event[name] for name in names if name in event}


@each_example
def test_every_field_of_an_example_has_exactly_one_origin(name: str) -> None:
    for outcome in outcomes(name):
        for mapped in outcome.events:
            event = json.loads(sent("01-subscription", mapped))
            listed = [one.tiktok for one in mapped.origins]
            paths = list(leaves(event, ""))
            assert set(paths) == set(listed)
            repeated = {path for path in listed if listed.count(path) > 1}
            assert repeated <= {"properties.content_ids"}


def leaves(value: Any, path: str) -> list[str]:
    """Give the path of each member that is no object; a list of texts counts as one."""
    if isinstance(value, dict):
        return [
            leaf
            for name, item in value.items()
            for leaf in leaves(item, f"{path}.{name}" if path else name)
        ]
    if isinstance(value, list) and isinstance(value[0], dict):
        return [
            leaf
            for index, item in enumerate(value)
            for leaf in leaves(item, f"{path}[{index}]")
        ]
    return [path]


@each_example
def test_an_explanation_changes_nothing_that_is_sent(name: str) -> None:
    for explained, plain in zip(
        outcomes(name), outcomes(name, explain=False), strict=True
    ):
        assert [one.event for one in explained.events] == [
            one.event for one in plain.events
        ]
        assert all(one.origins == () for one in plain.events)


@each_example
def test_what_an_example_sends_is_taken_by_a_strict_reader(name: str) -> None:
    connection = transformer(name, explain=True).connection
    wire = wire_format(connection.wire_format)
    for outcome in outcomes(name):
        for mapped in outcome.events:
            event = wire.encode_event(mapped.event, mapped.time_ms)
            body = wire.encode_request(connection.route, [event])
            assert first_problem(wire.path(1), body) is None


@each_example
def test_the_settings_of_an_example_load_again_as_they_are_printed(name: str) -> None:
    tables = tomllib.loads(EXAMPLES[name]["mapping"])
    tables["connections"]["shop"]["pixel_id"] = "C4EXAMPLE"
    settings = settings_from_mapping(tables)
    again = settings_from_mapping(tomllib.loads(as_toml(settings)))

    assert again.connections == settings.connections


def test_there_are_twenty_examples_and_each_mapping_is_used() -> None:
    assert len(EXAMPLES) >= 20
    for name, example in EXAMPLES.items():
        shop = tomllib.loads(example["mapping"])["connections"]["shop"]
        written = {one["name"] for one in shop["custom_mappings"]}
        used = {
            one.mapping
            for outcome in outcomes(name)
            for mapped in outcome.events
            for one in mapped.origins
            if one.mapping
        }
        dropped = any("drop" in want for want in example["want"])
        assert used == written or dropped, name
