"""Runs every case of ``cases/``: a batch in, the wanted outcome of each event out."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from strategies.cases import Case, digest, read_cases
from tokferry_server.mapping.outcome import Outcome
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.read_json import read_json
from tokferry_server.sandbox.strict import first_problem
from tokferry_server.tiktok.events_1 import EVENTS_1
from tokferry_server.tiktok.events_2 import EVENTS_2
from tokferry_server.tiktok.wire import WireFormat

CASES = read_cases(Path(__file__).parent / "cases")
WIRE: dict[str, WireFormat] = {"events_1": EVENTS_1, "events_2": EVENTS_2}


def outcomes_of(case: Case) -> list[Outcome]:
    return list(Transformer(case.connection).transform(read_json(case.json)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.description)
def test_case(case: Case) -> None:
    outcomes = outcomes_of(case)

    assert len(outcomes) == len(case.want)
    for outcome, want in zip(outcomes, case.want, strict=True):
        check(outcome, want, WIRE[case.connection.wire_format])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.description)
def test_identities_as_an_array_give_the_same(case: Case) -> None:
    other = copy.deepcopy(case)
    for batch in other.batches:
        given = batch.get("user_identities")
        if isinstance(given, dict):
            batch["user_identities"] = [
                {"identity_type": name, "identity": value, "created_this_batch": True}
                for name, value in given.items()
            ]

    assert outcomes_of(other) == outcomes_of(case)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.strict], ids=lambda case: case.description
)
def test_what_is_sent_is_taken_by_a_strict_reader(case: Case) -> None:
    wire = WIRE[case.connection.wire_format]
    encoded = [
        wire.encode_event(mapped.event, mapped.time_ms)
        for outcome in outcomes_of(case)
        for mapped in outcome.events
    ]
    if encoded:
        body = wire.encode_request(case.connection.route, encoded)
        assert first_problem(wire.path(len(encoded)), body) is None


def test_no_description_occurs_twice() -> None:
    descriptions = [case.description for case in CASES]

    assert len(set(descriptions)) == len(descriptions)


def check(outcome: Outcome, want: dict[str, Any], wire: WireFormat) -> None:
    drop = outcome.drop and [outcome.drop.reason.name, outcome.drop.field]
    assert drop == want.get("drop")
    warnings = [[warning.code.name, warning.field] for warning in outcome.warnings]
    assert warnings == want.get("warnings", [])
    wants = [] if drop else want.get("events", [want])
    assert len(outcome.events) == len(wants)
    for mapped, one in zip(outcome.events, wants, strict=True):
        check_sent(json.loads(wire.encode_event(mapped.event, mapped.time_ms)), one)


def check_sent(sent: Any, want: dict[str, Any]) -> None:
    if "exactly" in want:
        assert exact(sent) == exact(expected(want["exactly"]))
    for path, value in want.get("sends", {}).items():
        assert exact(member(sent, path)) == exact(expected(value)), path
    for path in want.get("never", []):
        assert member(sent, path) is None, path


def exact(value: Any) -> str:
    """Write a value so that 1 and 1.0 differ."""
    return json.dumps(value, sort_keys=True, indent=1)


def expected(value: Any) -> Any:
    """Put the digest where a case says ``{ sha256 = "clear text" }``."""
    if isinstance(value, dict):
        if value.keys() == {"sha256"}:
            return digest(value["sha256"])
        return {name: expected(item) for name, item in value.items()}
    return [expected(item) for item in value] if isinstance(value, list) else value


def member(value: Any, path: str) -> Any:
    """Give the member at ``properties.contents.0.price``, or None."""
    for step in path.split("."):
        if isinstance(value, list):
            value = value[int(step)] if int(step) < len(value) else None
        else:
            value = (value or {}).get(step)
    return value
