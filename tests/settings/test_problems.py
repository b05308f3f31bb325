"""What is refused in settings, where, and in which words."""

import re
from pathlib import Path
from typing import Any

import pytest

from tokferry_server.settings import (
    SettingsError,
    connection_from_mapping,
    load_settings,
    settings_from_mapping,
)

MANY_MISTAKES = Path(__file__).parent / "many_mistakes.toml"


def problems_of_file(**tables: Any) -> dict[str, str]:
    tables.setdefault("connections", {"shop": {"pixel_id": "C4EXAMPLE"}})
    with pytest.raises(SettingsError) as caught:
        settings_from_mapping(tables)
    return {problem.key: problem.description for problem in caught.value.problems}


def problems_of_connection(**members: Any) -> dict[str, str]:
    members.setdefault("pixel_id", "C4EXAMPLE")
    with pytest.raises(SettingsError) as caught:
        connection_from_mapping(members)
    return {problem.key: problem.description for problem in caught.value.problems}


def load_text(text: str, folder: Path) -> str:
    path = folder / "settings.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    return str(caught.value)


def test_every_mistake_of_a_file_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(MANY_MISTAKES)
    shop, stores = "connections.shop", "connections.stores"
    assert {problem.key for problem in caught.value.problems} == {
        "colour",
        "server.listen",
        "server.workers",
        "tiktok.base_url",
        f"{shop}.pixel_id",
        f"{shop}.event_source",
        f"{shop}.email_identity_types[0]",
        f"{shop}.access_token",
        f"{shop}.default_region",
        f"{shop}.environments",
        f"{shop}.event_id_sources",
        f"{shop}.native_evnts",
        f"{shop}.max_event_age",
        f"{shop}.rate",
        f"{shop}.concurrency",
        f"{shop}.limited_data_use",
        f"{shop}.timeouts.read",
        f"{stores}.pixel_id",
        f"{stores}.wire_format",
        f"{stores}.limited_data_use",
    }
    assert len(caught.value.problems) == 20


def test_a_token_in_clear_text_is_refused_and_never_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        connection_from_mapping({"pixel_id": "C4EXAMPLE", "access_token": "s3cr3t"})
    assert 'write { env = "NAME" }' in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert "s3cr3t" not in repr(caught.value.__context__)


@pytest.mark.parametrize(
    ("members", "key", "words"),
    [
        ({"native_evnts": "extended"}, "native_evnts", '"native_events"'),
        ({"ccpa_opt_out": "drop"}, "ccpa_opt_out", '"consent.ccpa_opt_out"'),
        ({"event_source": "wbe"}, "event_source", '"web"? (allowed: web, app'),
        ({"event_source": "xyzzy"}, "event_source", "known name (allowed: web, app"),
        ({"email_identity_types": ["emial"]}, "email_identity_types[0]", '"email"'),
        ({"environments": ["prod"]}, "environments[0]", '"production"'),
        ({"event_id_sources": ["eventid"]}, "event_id_sources[0]", '"event_id"'),
        ({"historical": "sned"}, "historical", '"send"'),
        ({"consent": {"ccpa_opt_out": "no"}}, "consent.ccpa_opt_out", "ignore"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_known(
    members: dict[str, Any], key: str, words: str
) -> None:
    assert words in problems_of_connection(**members)[key]


@pytest.mark.parametrize(
    ("members", "key", "words"),
    [
        ({"pixel_id": 12}, "pixel_id", "write it in quotes"),
        ({"pixel_id": "  "}, "pixel_id", "must not be blank"),
        ({"pixel_id": "C4 EXAMPLE"}, "pixel_id", "without spaces"),
        ({"test_event_code": ""}, "test_event_code", "must not be blank"),
        ({"email_identity_types": "email"}, "email_identity_types", "in brackets"),
        ({"derive_value": 1}, "derive_value", "true or false"),
        ({"concurrency": 1.5}, "concurrency", "whole number"),
        ({"concurrency": True}, "concurrency", "whole number"),
        ({"rate": float("inf")}, "rate", "finite"),
        ({"rate": float("nan")}, "rate", "finite"),
        ({"rate": 0}, "rate", "more than 0"),
        ({"timeouts": 3}, "timeouts", "must be a table"),
        ({"timeouts": {"read": -0.1}}, "timeouts.read", "more than 0"),
        ({"max_event_age": "0s"}, "max_event_age", "above zero"),
        ({"max_event_age": "28"}, "max_event_age", '"28d"'),
        ({"max_event_age": 28}, "max_event_age", "write it in quotes"),
        ({"default_region": "UK"}, "default_region", '"GB"'),
        ({"default_region": "USA"}, "default_region", "ISO 3166-1"),
        ({"environments": []}, "environments", "at least one"),
        ({"event_id_sources": []}, "event_id_sources", "at least one"),
        (
            {"environments": ["production", "Production"]},
            "environments",
            "[1] is there twice",
        ),
        (
            {"phone_identity_types": ["other2", "other_id_2"]},
            "phone_identity_types",
            "[1] is there twice",
        ),
        (
            {"consent": {"gdpr_purposes": ["ads", "ADS"]}},
            "consent.gdpr_purposes",
            "[1] is there twice",
        ),
        (
            {"event_id_sources": ["event_id", "flag"]},
            "event_id_sources",
            '"flag" comes first',
        ),
        ({"access_token": {}}, "access_token", "must name one place"),
        ({"access_token": {"env": "A B"}}, "access_token.env", "no name of"),
        ({"access_token": {"evn": "A"}}, "access_token.evn", '"env"'),
        ({"app": "my app"}, "app", "letters, digits"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(
    members: dict[str, Any], key: str, words: str
) -> None:
    assert words in problems_of_connection(**members)[key]


@pytest.mark.parametrize(
    ("source", "members", "key"),
    [
        ("app", {"wire_format": "events_1"}, "wire_format"),
        ("crm", {"ip_and_user_agent": "optional"}, "ip_and_user_agent"),
        ("app", {"user_attributes": True}, "user_attributes"),
        ("offline", {"limited_data_use": True}, "limited_data_use"),
        ("crm", {"limited_data_use": True}, "limited_data_use"),
        ("web", {"app_id": "123"}, "app_id"),
        (
            "offline",
            {"email_identity_types": [], "phone_identity_types": []},
            "phone_identity_types",
        ),
    ],
)
def test_a_setting_that_the_event_source_cannot_obey_is_refused(
    source: str, members: dict[str, Any], key: str
) -> None:
    problems = problems_of_connection(event_source=source, rate=-1, **members)
    assert set(problems) == {key, "rate"}


def test_a_web_connection_needs_some_identity_to_send() -> None:
    none: dict[str, list[str]] = {
        "email_identity_types": [],
        "external_identity_types": [],
    }
    assert connection_from_mapping({"pixel_id": "C4EXAMPLE", **none}).mapping
    assert (
        "no identity type is left"
        in (
            problems_of_connection(**none, phone_identity_types=[])[
                "phone_identity_types"
            ]
        )
    )


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.com", "https://"),
        ("ftp://example.com", "such as https://"),
        ("business-api.tiktok.com", "such as https://"),
        ("https://user:pw@example.com", "nothing but scheme"),
        ("https://example.com?a=b", "nothing but scheme"),
        ("https://example.com:99999", "such as https://"),
        ("http://127.0.0.1:8080", "allow_loopback = true"),
        ("https://localhost", "allow_loopback = true"),
        ("https://[::1]:8080", "allow_loopback = true"),
    ],
)
def test_an_address_of_tiktok_that_leaks_or_misleads_is_refused(
    url: str, words: str
) -> None:
    assert words in problems_of_file(tiktok={"base_url": url})["tiktok.base_url"]


@pytest.mark.parametrize(
    ("listen", "words"),
    [
        ("localhost", "host:port"),
        ("127.0.0.1:70000", "host:port"),
        (":50051", "host:port"),
        ("0.0.0.0:50051", "[server.tls]"),
        ("[::]:50051", "[server.tls]"),
        ("192.0.2.1:50051", "[server.tls]"),
        ("192.0.2.1:50051", "[[server.principals]]"),
    ],
)
def test_an_address_to_listen_at_must_be_whole_and_safe(
    listen: str, words: str
) -> None:
    assert words in problems_of_file(server={"listen": listen})["server.listen"]


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ({"metrics": "127.0.0.1:50051"}, "takes port 50051, and server.listen has"),
        ({"metrics": "127.0.0.1:50050", "workers": 2}, "takes ports 50050 to 50051"),
        ({"metrics": "0.0.0.0:50050", "workers": 2}, "choose another"),
        ({"metrics": "127.0.0.1:65535", "workers": 2}, "would be 65536"),
    ],
)
def test_each_worker_must_have_a_port_for_its_metrics(
    server: dict[str, Any], words: str
) -> None:
    assert words in problems_of_file(server=server)["server.metrics"]


@pytest.mark.parametrize(
    "server",
    [
        {"metrics": "127.0.0.1:50050"},
        {"metrics": "127.0.0.1:50052", "workers": 9},
        {"metrics": "127.0.0.1:0", "workers": 9},
        {"metrics": "[::1]:50051"},
        {"metrics": "nowhere"},
        {"metrics": "127.0.0.1:50050", "workers": "2"},
    ],
)
def test_ports_for_metrics_that_meet_no_other_are_taken(server: dict[str, Any]) -> None:
    told = problems_of_file(server=server, colour="red").get("server.metrics", "")
    assert not re.search("takes port|would be", told)


TLS = {"tls": {"certificate": "a.pem", "key": "b.pem"}}
KNOWN = {
    "principals": [
        {
            "name": "orders",
            "tokens": [{"env": "ORDERS_TOKEN"}],
            "connections": ["*"],
            "rights": ["forward"],
        }
    ]
}


@pytest.mark.parametrize(
    ("server", "missing"),
    [
        ({}, ("[server.tls]", "[[server.principals]]")),
        (TLS, ("[[server.principals]]",)),
        ({"allow_plaintext": True}, ("[[server.principals]]",)),
        ({**TLS, "principals": []}, ("[[server.principals]]",)),
        (KNOWN, ("[server.tls]",)),
        ({"allow_anonymous": True}, ("[server.tls]",)),
        ({**TLS, **KNOWN}, ()),
        ({"allow_plaintext": True, **KNOWN}, ()),
        ({**TLS, "allow_anonymous": True}, ()),
        ({"allow_plaintext": True, "allow_anonymous": True}, ()),
    ],
)
def test_other_machines_may_call_only_in_cipher_and_when_known_unless_it_is_meant(
    server: dict[str, Any], missing: tuple[str, ...]
) -> None:
    server = {"listen": "192.0.2.1:50051", **server}
    problems = problems_of_file(server=server, colour="a mistake in any case")
    told = problems.get("server.listen", "")
    assert set(problems) <= {"server.listen", "colour"}
    for part in ("[server.tls]", "[[server.principals]]"):
        assert (part in told) == (part in missing)


@pytest.mark.parametrize("name", ["orders", "CN=", "cn=orders", "IP:192.0.2.1"])
def test_a_certificates_name_says_of_which_kind_it_is(name: str) -> None:
    principal = {"name": "a", "connections": ["*"], "rights": ["forward"]}
    problems = problems_of_file(
        server={
            "principals": [{**principal, "certificate": name}],
            "tls": {**TLS["tls"], "client_ca": "ca.pem"},
        }
    )
    assert "what kind of name" in problems["server.principals[0].certificate"]


def test_a_principal_must_be_known_by_one_thing_and_may_do_known_things() -> None:
    token = {"env": "CALLER_TOKEN"}
    problems = problems_of_file(
        server={
            "principals": [
                {"name": "a", "connections": ["shopp"], "rights": ["forwrad"]},
                {
                    "name": "a",
                    "tokens": [token],
                    "certificate": "CN=a",
                    "connections": [],
                    "rights": ["transform", "transform"],
                    "streams": 0,
                },
            ],
            "tls": {"certificate": "server.pem"},
        }
    )
    first, second = "server.principals[0]", "server.principals[1]"
    assert "known by one thing" in problems[first]
    assert 'did you mean "shop"?' in problems[f"{first}.connections[0]"]
    assert 'did you mean "forward"?' in problems[f"{first}.rights[0]"]
    assert "known by one thing" in problems[second]
    assert "there twice" in problems[f"{second}.name"]
    assert "at least one" in problems[f"{second}.connections"]
    assert "twice" in problems[f"{second}.rights"]
    assert problems[f"{second}.streams"] == "must be at least 1"
    assert "client_ca" in problems[f"{second}.certificate"]
    assert "is required" in problems["server.tls.key"]


def test_connections_of_one_developer_app_share_one_rate() -> None:
    token = {"env": "TIKTOK_TOKEN"}
    problems = problems_of_file(
        connections={
            "a": {"pixel_id": "A1", "access_token": token, "rate": 10},
            "b": {"pixel_id": "B1", "access_token": token, "rate": 20},
            "c": {"pixel_id": "C1", "access_token": token},
            "d": {"pixel_id": "D1", "rate": 30},
        }
    )
    assert set(problems) == {"connections.b.rate"}


@pytest.mark.parametrize(
    "text", ["", "[connections]\n", '[connection.a]\npixel_id="A"']
)
def test_a_file_without_connections_is_refused(text: str, tmp_path: Path) -> None:
    assert "at least one [connections.NAME]" in load_text(text, tmp_path)


def test_names_of_connections_are_plain(tmp_path: Path) -> None:
    text = '[connections."my shop\\u001b[31m"]\npixel_id = "A"\n'
    shown = load_text(text, tmp_path)
    assert 'connections."my shop?[31m": must be 1-64 letters' in shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server\n", "settings.toml: line 1 column 8: is not TOML: "),
        ('a = 1\nb = "x', "settings.toml: end of document: is not TOML: "),
        ("a = 1\na = 2\n", "settings.toml: line 2 column 6: is not TOML: "),
    ],
)
def test_a_slip_in_the_syntax_is_named_with_line_and_column(
    text: str, words: str, tmp_path: Path
) -> None:
    assert (
        load_text(text, tmp_path)
        .partition("settings.toml")[2]
        .startswith(words.removeprefix("settings.toml"))
    )


def test_a_file_that_is_not_utf_8_is_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b"a = 1\n# gr\xfc\xdfe\n")
    with pytest.raises(SettingsError, match="line 2: is not UTF-8"):
        load_settings(path)


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_file_that_cannot_be_read_is_a_problem_of_its_own(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path / name)
