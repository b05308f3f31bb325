"""What right settings become."""

import tomllib
from pathlib import Path

import pytest

from tokferry_server.mapping.connection import Connection
from tokferry_server.settings import (
    ConnectionSettings,
    SecretRef,
    Settings,
    Timeouts,
    connection_from_mapping,
    load_settings,
    preview_connection,
    settings_from_mapping,
)
from tokferry_server.settings.advice import advice
from tokferry_server.settings.as_toml import as_toml

FULL = """
[server]
listen = "[::1]:50051"
state_dir = "state"
[tiktok]
base_url = "http://127.0.0.1:8080/"
allow_loopback = true
[connections.shop]
pixel_id = " C4EXAMPLE "
access_token = { env = "TIKTOK_TOKEN" }
email_identity_types = ["email", "Other2"]
external_identity_types = ["customerId", "other_id_3"]
phone_identity_types = []
content_type = "product_group"
event_names = "current"
wire_format = "events_1"
ip_and_user_agent = "optional"
default_region = "us"
external_id_case = "lower"
derive_value = true
limited_data_use = true
environments = ["Production", "development"]
historical = "send"
test_event_code = "TEST123"
max_event_age = "36h"
event_id_sources = ["event_id", "content_hash"]
app = "main"
rate = 250
concurrency = 4
[connections.shop.timeouts]
read = 7.5
[connections.shop.consent]
gdpr_purposes = ["advertising"]
ccpa_opt_out = "drop"
[connections.stores]
pixel_id = "700000000000"
event_source = "offline"
access_token = { file = "token" }
app = "main"
"""


def load(text: str, folder: Path) -> Settings:
    path = folder / "settings.toml"
    path.write_text(text)
    return load_settings(path)


def test_every_setting_reaches_its_place(tmp_path: Path) -> None:
    settings = load(FULL, tmp_path)
    assert settings.connections["shop"] == ConnectionSettings(
        mapping=Connection(
            name="shop",
            pixel_id="C4EXAMPLE",
            email_identity_types=("email", "other_id_2"),
            external_identity_types=("customer_id", "other_id_3"),
            phone_identity_types=(),
            content_type="product_group",
            event_names="current",
            wire_format="events_1",
            ip_and_user_agent="optional",
            default_region="US",
            external_id_case="lower",
            derive_value=True,
            gdpr_purposes=("advertising",),
            ccpa_opt_out="drop",
            limited_data_use=True,
            environments=("production", "development"),
            historical="send",
            test_event_code="TEST123",
            max_event_age_seconds=129_600.0,
            event_id_sources=("flag", "event_id", "content_hash"),
        ),
        access_token=SecretRef(env="TIKTOK_TOKEN"),
        app="main",
        rate=250.0,
        concurrency=4,
        timeouts=Timeouts(read=7.5),
    )
    assert settings.server.listen == "[::1]:50051"
    assert settings.server.state_dir == tmp_path / "state"
    assert settings.tiktok.base_url == "http://127.0.0.1:8080"


def test_connections_of_one_app_have_the_rate_that_one_of_them_sets(
    tmp_path: Path,
) -> None:
    assert load(FULL, tmp_path).connections["stores"].rate == 250.0


def test_without_an_app_each_access_token_is_one() -> None:
    token = {"env": "TIKTOK_TOKEN"}
    connections = settings_from_mapping(
        {
            "connections": {
                "a": {"pixel_id": "A1", "access_token": token},
                "b": {"pixel_id": "B1", "access_token": token},
                "c": {"pixel_id": "C1", "access_token": {"env": "OTHER"}},
                "d": {"pixel_id": "D1"},
            }
        }
    ).connections
    assert connections["a"].app == connections["b"].app
    assert len({connection.app for connection in connections.values()}) == 3


def test_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    token = load(FULL, tmp_path).connections["stores"].access_token
    assert token == SecretRef(file=tmp_path / "token")


def test_offline_events_have_an_age_limit_of_28_days() -> None:
    offline = connection_from_mapping({"pixel_id": "7", "event_source": "offline"})
    assert offline.mapping.max_event_age_seconds == 28 * 86_400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("1.5h", 5400), ("30m", 1800), ("28d", 2_419_200)],
)
def test_durations_are_text_with_a_unit(text: str, seconds: float) -> None:
    settings = connection_from_mapping({"pixel_id": "C4", "max_event_age": text})
    assert settings.mapping.max_event_age_seconds == seconds


def test_what_is_not_set_has_the_defaults_of_the_mapping() -> None:
    settings = connection_from_mapping({"pixel_id": "C4EXAMPLE"}, "shop")
    assert settings.mapping == Connection(name="shop", pixel_id="C4EXAMPLE")
    assert (settings.rate, settings.concurrency) == (500.0, 16)
    assert settings.timeouts == Timeouts(connect=3, write=5, read=10, attempt=15)


def test_a_preview_needs_no_settings() -> None:
    given = connection_from_mapping({"pixel_id": "PREVIEW"}, "default")
    assert preview_connection() == given


def test_printed_settings_load_as_the_same_settings(tmp_path: Path) -> None:
    settings = load(FULL, tmp_path)
    assert settings_from_mapping(tomllib.loads(as_toml(settings))) == settings


def test_printed_settings_hold_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIKTOK_TOKEN", "s3cr3t")
    (tmp_path / "token").write_text("s3cr3t")
    printed = as_toml(load(FULL, tmp_path))
    assert 'access_token = { env = "TIKTOK_TOKEN" }' in printed
    assert "s3cr3t" not in printed


def test_advice_names_what_works_but_is_worth_a_word(tmp_path: Path) -> None:
    settings = load(
        '[connections.a]\npixel_id = "A1"\naccess_token = { env = "UNSET" }\n'
        'rate = 5000\n[connections.b]\npixel_id = "B1"\nevent_names = "current"\n',
        tmp_path,
    )
    words = {found.key: found.problem for found in advice(settings, environ={})}
    assert set(words) == {
        "connections.a.access_token",
        "connections.a.event_names",
        "connections.a.rate",
        "connections.b.access_token",
    }
    assert 'event_names = "current"' in words["connections.a.event_names"]
    assert "2027" in words["connections.a.event_names"]
    assert "env UNSET: is not set" in words["connections.a.access_token"]
