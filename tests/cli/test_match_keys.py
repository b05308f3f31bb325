"""By which keys TikTok can match an event, and what the summary says of files."""

import pytest

from tokferry_server.cli.summary import print_summary
from tokferry_server.cli.tally import Tally
from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.coverage import (
    MATCH_KEYS,
    Coverage,
    match_keys,
    possible_keys,
)
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.read_json import read_json
from tokferry_server.samples import read_sample
from tokferry_server.tiktok.model import Event, Lead, User


def event(**user: str) -> Event:
    return Event(event="Lead", event_time=1, user=User(**user) if user else None)


@pytest.mark.parametrize(
    ("user", "keys"),
    [
        ({}, []),
        ({"email": "0" * 64, "ip": "192.0.2.1"}, ["email", "ip"]),
        ({"first_name": "0" * 64}, ["name"]),
        ({"city": "berlin"}, ["address"]),
        ({"country": "de", "zip_code": "0" * 64}, ["address"]),
        ({"locale": "en", "att_status": "DENIED"}, []),
    ],
)
def test_an_event_carries_the_keys_whose_fields_it_has(
    user: dict[str, str], keys: list[str]
) -> None:
    assert match_keys(event(**user)) == keys


def test_a_lead_is_a_key() -> None:
    lead = Event(event="Lead", event_time=1, lead=Lead(lead_id="7"))
    assert match_keys(lead) == ["lead_id"]


def test_coverage_counts_the_events_of_each_key() -> None:
    coverage = Coverage()
    for one in (event(email="a", ip="b"), event(email="a"), event()):
        coverage.add(one)
    assert (coverage.events, coverage.keys) == (3, {"email": 2, "ip": 1})


@pytest.mark.parametrize(
    ("members", "keys"),
    [
        ({"event_source": "offline"}, "email phone"),
        ({"event_source": "crm"}, "email phone external_id lead_id"),
        ({"event_source": "app"}, "email phone ip user_agent idfa idfv gaid"),
        ({}, "email phone external_id ttclid ttp ip user_agent"),
        (
            {"user_attributes": True},
            "email phone external_id ttclid ttp ip user_agent name address",
        ),
        (
            {"user_attributes": True, "wire_format": "events_1"},
            "email phone external_id ttclid ttp ip user_agent",
        ),
    ],
)
def test_only_keys_that_the_connection_can_send_are_missed(
    members: dict[str, str], keys: str
) -> None:
    connection = Connection(name="shop", pixel_id="C4", **members)  # type: ignore[arg-type]
    assert list(possible_keys(connection)) == keys.split()
    assert set(keys.split()) <= set(MATCH_KEYS)


def summary(capsys: pytest.CaptureFixture[str], *names: str) -> str:
    tally = Tally("web")
    transformer = Transformer(Connection(name="shop", pixel_id="C4EXAMPLE"))
    for name in names:
        for outcome in transformer.transform(read_json(read_sample(name))):
            tally.add(name, outcome)
    print_summary(tally)
    return capsys.readouterr().out


def test_the_summary_of_several_files_tells_them_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, _, by_file = summary(capsys, "purchase", "mixed", "extended").partition(
        "Identifiers in the events sent, by file"
    )
    rows = {
        words[0]: words[1:]
        for line in by_file.splitlines()
        if len(words := line.replace(" %", "%").split()) == 8
    }
    assert rows["purchase"] == ["1", "100%", "100%", "100%", "100%", "100%", "100%"]
    assert rows["mixed"] == ["3", "100%", "100%", "100%", "0%", "100%", "100%"]
    assert rows["extended"] == ["0", *["–"] * 6]  # noqa: RUF001  as it is printed


def test_the_summary_of_one_file_has_no_table_by_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "by file" not in summary(capsys, "purchase")
