"""The schema for editors takes what is right, and refuses what a schema can refuse."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tokferry_server.cli.check import check
from tokferry_server.mparticle.identities import SPELLINGS
from tokferry_server.settings import SettingsError, settings_from_mapping
from tokferry_server.settings.as_toml import as_toml
from tokferry_server.settings.schema import settings_schema

ROOT = Path(__file__).parents[2]
SCHEMA = settings_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
MANY_MISTAKES = Path(__file__).parent / "many_mistakes.toml"
PIXEL = {"pixel_id": "C4EXAMPLE"}
MATCH = {"event_name": "Trial"}
MAPPING = {"name": "trial", "match": MATCH, "event": "Subscribe"}


def examples() -> dict[str, dict[str, Any]]:
    """Every settings file that the project shows or uses; parts of one made whole."""
    found = {}
    for path in (*ROOT.rglob("*.md"), *(ROOT / "tests").rglob("*.toml")):
        parts = path.relative_to(ROOT).parts
        if any(part.startswith(".") for part in parts) or path == MANY_MISTAKES:
            continue
        text = path.read_text()
        blocks = [text] if path.suffix == ".toml" else blocks_of(text)
        for number, block in enumerate(blocks):
            if re.search(r"^\[connections\.", block, re.MULTILINE):
                data = tomllib.loads(block)
                for connection in data["connections"].values():
                    connection.setdefault("pixel_id", PIXEL["pixel_id"])
                found[f"{'/'.join(parts)} {number}"] = data
    return found


def blocks_of(page: str) -> list[str]:
    return re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def is_right(data: dict[str, Any]) -> bool:
    try:
        settings_from_mapping(data)
    except SettingsError:
        return False
    return True


def places(data: dict[str, Any]) -> set[str]:
    return {".".join(map(str, error.path)) for error in VALIDATOR.iter_errors(data)}


def with_mapping(**members: Any) -> dict[str, Any]:
    return {"custom_mappings": [{**MAPPING, **members}]}


def with_field(**members: Any) -> dict[str, Any]:
    return with_mapping(fields={"value": members})


def keys(table: str = "", place: str = "") -> dict[str, dict[str, Any]]:
    """Every key that the schema has, by its place."""
    node = SCHEMA["$defs"][table] if table else SCHEMA
    found = {}
    for name, key in node["properties"].items():
        found[f"{place}{name}"] = key
        for inner in (key, key.get("items"), key.get("additionalProperties")):
            of_table = (inner or {}).get("$ref", "").removeprefix("#/$defs/")
            if of_table.endswith("Table"):
                found |= keys(of_table, f"{place}{name}.")
    return found


def test_the_schema_is_one_of_its_dialect() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert SCHEMA["title"] == "Settings of Tokferry"


def test_the_command_prints_it_without_a_settings_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    check(schema=True)
    assert json.loads(capsys.readouterr().out) == SCHEMA


def test_the_command_without_anything_to_check_says_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit) as ended:
        check()
    assert ended.value.exit_code == 2
    assert "--schema" in capsys.readouterr().err


def test_there_are_examples_to_check() -> None:
    assert {"README.md 0", "tests/cli/samples.toml 0"} <= set(examples())


@pytest.mark.parametrize("name", examples())
def test_every_right_example_of_the_project_is_taken(name: str) -> None:
    data = examples()[name]
    assert is_right(data), name
    assert not places(data)


@pytest.mark.parametrize("name", examples())
def test_the_merged_settings_of_every_example_are_taken(name: str) -> None:
    merged = tomllib.loads(as_toml(settings_from_mapping(examples()[name])))
    assert not places(merged)


@pytest.mark.parametrize(
    "members",
    [
        {"default_region": " us "},
        {"max_event_age": " 0.5h "},
        {"email_identity_types": ["Other2", "customerId", " EMAIL "]},
        {"environments": ["Production"]},
        {"event_id_sources": ["flag", "event_id"]},
        {"event_id_sources": ["event_id"]},
        {"access_token": {"file": "token"}},
        {"app_id": "123", "event_source": "app"},
        {"phone_identity_types": [], "event_source": "offline"},
        {"email_identity_types": [], "phone_identity_types": []},
        {"limited_data_use": False, "event_source": "crm"},
        {"wire_format": "events_2", "event_source": "crm"},
        with_mapping(match={"attributes": {"plan": ["pro", 1], "n": 2, "any": []}}),
        {"custom_mappings": [{"name": "a", "event": "Lead", "is_default": True}]},
        with_field(**{"from": "event.custom_attributes['plan price']", "default": 1}),
        with_field(value=9.5),
        with_mapping(match={"action": "refund", "event_type": "commerce_event"}),
    ],
)
def test_right_settings_are_taken(members: dict[str, Any]) -> None:
    data = {"connections": {"shop": {**PIXEL, **members}}}
    assert is_right(data)
    assert not places(data)


@pytest.mark.parametrize(
    "members",
    [
        {"native_evnts": "extended"},
        {"ccpa_opt_out": "drop"},
        {"event_source": "wbe"},
        {"pixel_id": 12},
        {"pixel_id": "  "},
        {"pixel_id": "C4 EXAMPLE"},
        {"test_event_code": ""},
        {"email_identity_types": "email"},
        {"email_identity_types": ["emial"]},
        {"email_identity_types": ["email", "email"]},
        {"environments": []},
        {"environments": ["prod"]},
        {"event_id_sources": ["eventid"]},
        {"event_id_sources": ["event_id", "flag"]},
        {"consent": {"ccpa_opt_out": "no"}},
        {"consent": {"gdpr_purposes": ["a\x1b[31m"]}},
        {"derive_value": 1},
        {"concurrency": 1.5},
        {"concurrency": 0},
        {"concurrency": "16"},
        {"rate": 0},
        {"timeouts": 3},
        {"timeouts": {"read": -0.1}},
        {"max_event_age": "0s"},
        {"max_event_age": "0.0h"},
        {"max_event_age": "28 days"},
        {"max_event_age": 28},
        {"default_region": "UK"},
        {"default_region": "USA"},
        {"access_token": "s3cr3t"},
        {"access_token": {}},
        {"access_token": {"env": "A", "file": "a"}},
        {"access_token": {"env": "A B"}},
        {"access_token": {"evn": "A"}},
        {"app": "my app"},
        {"event_source": "app", "wire_format": "events_1"},
        {"event_source": "crm", "ip_and_user_agent": "optional"},
        {"event_source": "app", "user_attributes": True},
        {"event_source": "offline", "limited_data_use": True},
        {"app_id": "123"},
        {
            "email_identity_types": [],
            "external_identity_types": [],
            "phone_identity_types": [],
        },
        {
            "event_source": "offline",
            "email_identity_types": [],
            "phone_identity_types": [],
        },
        with_mapping(match={}),
        with_mapping(event="1st trial"),
        with_mapping(event="x" * 51),
        with_mapping(match={"event_type": "custom"}),
        with_mapping(match={"event_type": "custom_event", "action": "refund"}),
        with_mapping(match={"event_type": "custom_event"}, per="product"),
        with_mapping(match={"product": {"colour": "red"}}),
        with_mapping(match={"attributes": {"plan": [" "]}}),
        with_mapping(fields={"colour": {"value": "red"}}),
        with_mapping(fields={"query": {"value": "a"}, "search_string": {"value": "b"}}),
        with_mapping(per="batch"),
        with_field(),
        with_field(value=1, **{"from": "event.event_name"}),
        with_field(value=1, default=2),
        with_field(value=True),
        with_field(**{"from": "events.event_name"}),
        with_field(value=1, rule="email"),
    ],
)
def test_what_is_wrong_with_a_connection_is_refused(members: dict[str, Any]) -> None:
    data = {"connections": {"shop": {**PIXEL, **members}}}
    assert not is_right(data)
    assert any(place.startswith("connections.shop") for place in places(data))


@pytest.mark.parametrize(
    "tables",
    [
        {},
        {"connections": {}},
        {"connections": {"my shop": PIXEL}},
        {"connections": {"shop": {}}},
        {"colour": "blue"},
        {"server": {"listen": "localhost"}},
        {"server": {"listen": "0.0.0.0:50051"}},
        {"server": {"workers": 0}},
        {"tiktok": {"base_url": "http://example.com"}},
        {"tiktok": {"base_url": "ftp://example.com"}},
        {"tiktok": {"base_url": "https://user:pw@example.com"}},
        {"tiktok": {"base_url": "https://example.com?a=b"}},
        {"tiktok": {"base_url": "http://127.0.0.1:8480"}},
        {"tiktok": {"base_url": "https://localhost", "allow_loopback": False}},
    ],
)
def test_what_is_wrong_with_a_file_is_refused(tables: dict[str, Any]) -> None:
    connections = {} if tables in ({}, {"connections": {}}) else {"shop": PIXEL}
    data = {"connections": connections, **tables} if tables else {}
    assert not is_right(data)
    assert list(VALIDATOR.iter_errors(data))


@pytest.mark.parametrize(
    "tables",
    [
        {"server": {"listen": " [::1]:0 ", "state_dir": "state"}},
        {"server": {"listen": "LocalHost:50051"}},
        {"tiktok": {"base_url": "HTTPS://example.com/path@x/ "}},
        {"tiktok": {"base_url": "https://[2001:db8::1]:8080"}},
        {"tiktok": {"base_url": "http://127.0.0.1:8480", "allow_loopback": True}},
    ],
)
def test_right_addresses_are_taken(tables: dict[str, Any]) -> None:
    data = {"connections": {"shop": PIXEL}, **tables}
    assert is_right(data)
    assert not places(data)


def test_almost_every_one_of_many_mistakes_is_marked_at_its_key() -> None:
    found = places(tomllib.loads(MANY_MISTAKES.read_text()))
    shop = {place for place in found if place.startswith("connections.shop.")}
    # Unknown keys are reported at their table.
    assert {"", "connections.shop", "server.listen", "tiktok.base_url"} <= found
    assert {place.rpartition(".")[2] for place in shop} >= {
        "pixel_id",
        "event_source",
        "access_token",
        "default_region",
        "environments",
        "event_id_sources",
        "max_event_age",
        "rate",
        "concurrency",
        "limited_data_use",
        "read",
    }


def test_every_key_says_what_it_means() -> None:
    silent = {place for place, key in keys().items() if "description" not in key}
    in_secrets = {place for place in silent if place.endswith((".env", ".file"))}
    silent -= in_secrets
    assert not silent, "run: make generate"


def test_defaults_are_those_that_hold() -> None:
    found = {place: key["default"] for place, key in keys().items() if "default" in key}
    assert found["connections.event_names"] == "mparticle"
    assert found["connections.concurrency"] == 16
    assert found["connections.timeouts.read"] == 10.0
    assert found["connections.environments"] == ["production"]
    assert found["server.state_dir"] == "state"
    assert found["outbox.path"] == "state/outbox.db"
    assert "connections.pixel_id" not in found
    assert "connections.default_region" not in found
    for place, key in keys().items():
        assert "default" not in key or VALIDATOR.evolve(
            schema={**key, "$defs": SCHEMA["$defs"]}
        ).is_valid(key["default"]), place


TEXTS = st.sampled_from(["", " ", "web", "us", "Gb", "UK", "1.5h", "0d", "007m", "a b"])
SPELT = st.sampled_from([*SPELLINGS, "Email", "emial", " other2 ", "customer-id"])
VALUES = st.one_of(
    TEXTS,
    st.text("aZ09 \t\x1c\x85é-_.", max_size=5),
    st.booleans(),
    st.integers(-2, 60),
    st.floats(allow_nan=False),
    st.lists(st.one_of(TEXTS, SPELT), max_size=3),
    st.from_regex(r"\A[0-9]{1,3}(\.[0-9]{1,2})?[smhd]\Z"),
    st.sampled_from(["app", "offline", "crm", "events_1", "optional", "drop", "lower"]),
)
KEYS = sorted(SCHEMA["$defs"]["ConnectionTable"]["properties"])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4))
def test_nothing_right_is_refused(members: dict[str, Any]) -> None:
    data = {"connections": {"shop": {**PIXEL, **members}}}
    assert not is_right(data) or not places(data)
