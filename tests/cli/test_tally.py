"""What the summary counts, and how requests are cut."""

import json

import pytest

from tokferry_server.cli.request_writer import RequestWriter
from tokferry_server.cli.tally import Tally
from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.outcome import DropReason, WarningCode
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.read_json import read_json
from tokferry_server.samples import read_sample
from tokferry_server.tiktok.formats import wire_format
from tokferry_server.tiktok.wire import MAX_REQUEST_BYTES, WireName


def tally_of(*names: str) -> Tally:
    transformer = Transformer(Connection(name="shop", pixel_id="C4EXAMPLE"))
    tally = Tally("web")
    for name in names:
        for outcome in transformer.transform(read_json(read_sample(name))):
            tally.add(name, outcome)
    return tally


def bodies(
    wire_name: WireName, events: int, note: str, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    connection = Connection(name="shop", pixel_id="C4EXAMPLE", wire_format=wire_name)
    batch = json.loads(read_sample("view_detail"))
    product = batch["events"][0]["data"]["product_action"]["products"][0]
    product["name"] = note
    transformer = Transformer(connection)
    writer = RequestWriter(wire_format(wire_name), connection.route)
    tally = Tally("web")
    for _ in range(events):
        for outcome in transformer.transform(read_json(json.dumps(batch).encode())):
            tally.add("-", outcome)
            writer.add("-", outcome)
    writer.close(tally)
    return capsys.readouterr().out.splitlines()


def test_sent_dropped_and_warned_are_counted_by_event() -> None:
    tally = tally_of("purchase", "mixed")
    assert tally.read == 9
    assert tally.sent == {"PlaceAnOrder": 3, "AddToCart": 1}
    assert tally.dropped[DropReason.ENVIRONMENT] == 1
    assert tally.defects == 3
    assert tally.warned[WarningCode.EVENT_NAME_RETIRING] == 3


def test_identifiers_are_counted_over_the_events_sent() -> None:
    tally = tally_of("purchase", "view_detail")
    assert tally.identifiers == {
        "email": 1,
        "phone": 1,
        "external_id": 2,
        "ttclid": 1,
        "ttp": 2,
        "ip + user_agent": 2,
    }


def test_the_first_place_of_each_reason_is_kept() -> None:
    place = tally_of("mixed", "mixed").first[DropReason.NO_IDENTITY]
    assert (place.batch, place.event, place.field) == (3, 0, "batch.user_identities")
    assert str(place) == "batch 3, event 0"


@pytest.mark.parametrize(
    ("wire_name", "events", "sizes"),
    [
        ("events_2", 2100, [1000, 1000, 100]),
        ("events_2", 1000, [1000]),
        ("events_1", 120, [50, 50, 20]),
    ],
)
def test_requests_hold_no_more_events_than_tiktok_takes(
    wire_name: WireName,
    events: int,
    sizes: list[int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = [json.loads(line) for line in bodies(wire_name, events, "tee", capsys)]
    assert [len(body.get("data") or body.get("batch")) for body in found] == sizes


def test_requests_hold_no_more_bytes_than_are_posted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = bodies("events_2", 1500, "x" * 3_000, capsys)
    assert max(len(body) for body in found) <= MAX_REQUEST_BYTES
    assert sum(len(json.loads(body)["data"]) for body in found) == 1500
