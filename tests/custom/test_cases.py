"""Runs every case of ``cases/``: what custom mappings make of events."""

import json
from pathlib import Path
from typing import Any

import pytest

from strategies.cases import Case, digest, read_cases
from tokferry_server.mapping.outcome import Outcome
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.read_json import read_json
from tokferry_server.sandbox.strict import first_problem
from tokferry_server.tiktok.formats import wire_format

CASES = read_cases(Path(__file__).parent / "cases")
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.description)


def outcomes(case: Case, *, explain: bool = False) -> list[Outcome]:
    transformer = Transformer(case.connection, explain=explain)
    return list(transformer.transform(read_json(case.json)))


@each_case
def test_case(case: Case) -> None:
    wire = wire_format(case.connection.wire_format)
    for outcome, want in zip(outcomes(case), case.want, strict=True):
        drop = outcome.drop and [outcome.drop.reason.name, outcome.drop.field]
        assert drop == want.get("drop")
        warnings = [[one.code.name, one.field] for one in outcome.warnings]
        assert warnings == want.get("warnings", [])
        wants = [] if drop else want.get("events", [want])
        assert len(outcome.events) == len(wants)
        for mapped, one in zip(outcome.events, wants, strict=True):
            sent = json.loads(wire.encode_event(mapped.event, mapped.time_ms))
            for path, value in one.get("sends", {}).items():
                assert exact(member(sent, path)) == exact(expected(value)), path
            for path in one.get("never", []):
                assert member(sent, path) is None, path


@each_case
def test_an_explanation_names_each_field_once_and_changes_nothing(case: Case) -> None:
    for outcome, plain in zip(
        outcomes(case, explain=True), outcomes(case), strict=True
    ):
        assert outcome.drop == plain.drop
        assert outcome.warnings == plain.warnings
        for mapped, other in zip(outcome.events, plain.events, strict=True):
            assert mapped.event == other.event
            listed = [
                one.tiktok
                for one in mapped.origins
                if one.tiktok != "properties.content_ids"
            ]
            assert len(set(listed)) == len(listed)
            properties = mapped.event.properties
            for index, content in enumerate((properties and properties.contents) or ()):
                for name in content.__struct_fields__:
                    is_sent = getattr(content, name) is not None
                    assert (f"properties.contents[{index}].{name}" in listed) is is_sent


@each_case
def test_what_is_sent_is_taken_by_a_strict_reader(case: Case) -> None:
    wire = wire_format(case.connection.wire_format)
    for outcome in outcomes(case):
        for mapped in outcome.events:
            event = wire.encode_event(mapped.event, mapped.time_ms)
            body = wire.encode_request(case.connection.route, [event])
            assert first_problem(wire.path(1), body) is None


def exact(value: Any) -> str:
    """Write a value so that 1 and 1.0 differ."""
    return json.dumps(value, sort_keys=True, indent=1)


def expected(value: Any) -> Any:
    """Put the digest where a case says ``{ sha256 = "clear text" }``."""
    if isinstance(value, dict) and value.keys() == {"sha256"}:
        return digest(value["sha256"])
    return value


def member(value: Any, path: str) -> Any:
    """Give the member at ``properties.contents``, or None."""
    for step in path.split("."):
        value = (value or {}).get(step)
    return value
