import copy
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tokferry_server.sandbox.strict import TRACK_2, Problem, first_problem

CASES = tomllib.loads(Path(__file__).with_name("strict_cases.toml").read_text())
NOW = 1795000000.0
Event = dict[str, Any]


def _body(source: str, *events: Event, **root: object) -> bytes:
    request = {"event_source": source, "event_source_id": "C4MADEUP", "data": events}
    return json.dumps({**request, **root}).encode()


def _changed(event: Event, path: str, text: str) -> Event:
    event = copy.deepcopy(event)
    *steps, last = path.split(".")
    place: Any = event
    for step in steps:
        place = place[int(step)] if isinstance(place, list) else place[step]
    if text:
        place[last] = json.loads(text)
    else:
        del place[last]
    return event


def _problem(body: bytes) -> Problem | None:
    return first_problem(TRACK_2, body, now=NOW)


@pytest.mark.parametrize("source", ["web", "app", "offline", "crm"])
def test_a_valid_event_of_each_source_passes(source: str) -> None:
    assert _problem(_body(source, CASES["events"][source])) is None


@pytest.mark.parametrize(
    "case", CASES["refused"], ids=lambda case: f"{case[0]}-{case[1]}-{case[4]}"
)
def test_one_change_is_refused_by_event_field_and_reason(case: list[str]) -> None:
    source, path, text, place, reason, *mark = case
    good = CASES["events"][source]
    problem = _problem(_body(source, good, _changed(good, path, text), good))
    assert problem is not None
    assert (problem.index, problem.path) == (1, place)
    assert problem.reason.startswith(reason)
    assert problem.code == (40062 if mark else 40002)
    assert problem.message.startswith(f"Batch.1.{place}: {reason}")


def test_the_first_bad_event_is_named() -> None:
    good = CASES["events"]["web"]
    bad = _changed(good, "event_id", "7")
    problem = _problem(_body("web", good, good, bad, bad))
    assert problem is not None
    assert problem.index == 2


def test_the_message_echoes_the_value_as_tiktok_does() -> None:
    bad = _changed(CASES["events"]["web"], "user.email", '"jo@example.com"')
    problem = _problem(_body("web", bad))
    assert problem is not None
    assert problem.message == (
        "Batch.0.user.email: Not a lower-case SHA-256 digest. Got 'jo@example.com'"
    )


@pytest.mark.parametrize(
    ("root", "place"),
    [
        ({"event_source": "mobile"}, "event_source"),
        ({"event_source": None}, "event_source"),
        ({"event_source_id": 5}, "event_source_id"),
        ({"event_source_id": ""}, "event_source_id"),
        ({"test_event_code": ""}, "test_event_code"),
        ({"pixel_code": "C4MADEUP"}, "pixel_code"),
        ({"data": []}, "data"),
        ({"data": {}}, "data"),
        ({"data": [{}] * 1001}, "data"),
    ],
)
def test_a_wrong_root_names_no_event(root: dict[str, object], place: str) -> None:
    problem = _problem(_body("web", CASES["events"]["web"], **root))
    assert problem is not None
    assert (problem.index, problem.path, problem.code) == (None, place, 40002)


@pytest.mark.parametrize("name", ["event_source", "event_source_id", "data"])
def test_the_root_must_be_whole(name: str) -> None:
    request = json.loads(_body("web", CASES["events"]["web"]))
    del request[name]
    problem = _problem(json.dumps(request).encode())
    assert problem is not None
    assert problem.message.startswith(f"{name}: Missing data")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b'{"data":[NaN]}', b'{"data":1,"data":1}', b"[" * 100_000],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    problem = _problem(body)
    assert problem is not None
    assert problem.reason == "Not valid JSON"


def test_an_endless_number_is_refused() -> None:
    body = _body("web", CASES["events"]["web"])
    problem = _problem(body.replace(b'"value": 100', b'"value": 1e999'))
    assert problem is not None
    assert problem.message.startswith("Batch.0.properties.value: Not a valid number")


def test_a_thousand_events_are_not_too_many() -> None:
    assert _problem(_body("web", *[CASES["events"]["web"]] * 1000)) is None


def test_without_a_clock_the_future_is_not_looked_at() -> None:
    body = _body("web", _changed(CASES["events"]["web"], "event_time", "1995000000"))
    assert first_problem(TRACK_2, body) is None


def test_an_unknown_path_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="no endpoint at /open_api/v9"):
        first_problem("/open_api/v9", b"{}")
