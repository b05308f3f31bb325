"""Every field is explained as it is sent, and nobody is named.

The files in `explained` are the output of ``tokferry explain --settings samples.toml``.
"""

import json
from pathlib import Path
from typing import Any, Literal

import pytest
import typer

from tokferry_server.cli import people
from tokferry_server.cli.explain import explain
from tokferry_server.cli.explanation import explained
from tokferry_server.cli.leaves import leaves
from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.custom.model import CustomMapping, FieldMapping, Match
from tokferry_server.mapping.outcome import DropReason, WarningCode
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.read_json import read_json
from tokferry_server.samples import SAMPLES, read_sample
from tokferry_server.tiktok.formats import wire_format
from tokferry_server.tiktok.wire import WireName

HERE = Path(__file__).parent
SOLD_BY_HAND = CustomMapping(
    name="by hand",
    event="Sold",
    match=Match(action="purchase"),
    fields=(
        FieldMapping(name="value", path="event.product_action.tax_amount", default=1),
        FieldMapping(name="content_id", path="product.brand"),
        FieldMapping(name="description", value="fixed"),
    ),
)


def explain_file(
    path: Path | str,
    capsys: pytest.CaptureFixture[str],
    layout: Literal["text", "json"] = "text",
    settings: Path = HERE / "samples.toml",
) -> tuple[str, int]:
    with pytest.raises(typer.Exit) as ended:
        explain([str(path)], settings=settings, layout=layout)
    return capsys.readouterr().out, ended.value.exit_code


def sample(name: str, folder: Path) -> Path:
    path = folder / f"{name}.json"
    path.write_bytes(read_sample(name))
    return path


@pytest.mark.parametrize("name", ["purchase", "mixed"])
def test_a_sample_is_explained_as_its_file_shows(
    name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sample(name, tmp_path)
    monkeypatch.chdir(tmp_path)
    shown, exit_code = explain_file(f"{name}.json", capsys)
    assert shown == (HERE / "explained" / f"{name}.txt").read_text()
    assert exit_code == (1 if name == "mixed" else 0)


@pytest.mark.parametrize("wire_name", ["events_2", "events_1"])
@pytest.mark.parametrize("mappings", [(), (SOLD_BY_HAND,)])
@pytest.mark.parametrize("name", SAMPLES)
def test_every_field_that_is_posted_is_explained(
    name: str, mappings: tuple[CustomMapping, ...], wire_name: WireName
) -> None:
    connection = Connection(
        name="shop",
        pixel_id="C4EXAMPLE",
        native_events="extended",
        user_attributes=True,
        wire_format=wire_name,
        custom_mappings=mappings,
    )
    wire = wire_format(wire_name)
    transformer = Transformer(connection, explain=True)
    sent = [
        mapped
        for outcome in transformer.transform(read_json(read_sample(name)))
        for mapped in outcome.events
    ]
    for mapped in sent:
        posted = json.loads(wire.encode_event(mapped.event, mapped.time_ms))
        fields = explained(mapped, wire)
        assert [(one.field, one.value) for one in fields] == list(leaves(posted))
        of_the_format = [one.field for one in fields if not one.paths or not one.rule]
        assert of_the_format == (["type"] if wire_name == "events_1" else [])
    assert sent


def test_what_a_custom_mapping_sets_again_is_explained_by_it() -> None:
    connection = Connection(
        name="shop", pixel_id="C4EXAMPLE", custom_mappings=(SOLD_BY_HAND,)
    )
    transformer = Transformer(connection, explain=True)
    (outcome,) = transformer.transform(read_json(read_sample("purchase")))
    (mapped,) = outcome.events
    found = {one.field: one for one in explained(mapped, wire_format("events_2"))}
    products = "event.product_action.products"
    assert {
        field: (one.value, one.paths)
        for field, one in found.items()
        if one.mapping == "by hand"
    } == {
        "event": ("Sold", ("event",)),
        "properties.value": (0, ("event.product_action.tax_amount",)),
        "properties.description": (
            "fixed",
            ("setting.custom_mappings.fields.description",),
        ),
        "properties.contents[0].content_id": (
            "Example Pottery",
            (f"{products}[0].brand",),
        ),
        "properties.contents[1].content_id": (
            "Example Wear",
            (f"{products}[1].brand",),
        ),
        "properties.content_ids": (
            ["Example Pottery", "Example Wear"],
            (f"{products}[0].brand", f"{products}[1].brand"),
        ),
    }


def test_json_says_of_every_event_what_text_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown, exit_code = explain_file(sample("mixed", tmp_path), capsys, "json")
    lines = [json.loads(line) for line in shown.splitlines()]
    assert exit_code == 1
    assert [(line["batch"], line["event"]) for line in lines] == [
        *((0, number) for number in range(5)),
        (1, 0),
        (2, 0),
        (3, 0),
    ]
    missing_url, sent = lines[2]["drop"], lines[4]
    assert missing_url == {
        "reason": "MISSING_PAGE_URL",
        "field": "event.custom_flags['TikTok.URL']",
        "intended": False,
        "problem": None,
        "remedy": DropReason.MISSING_PAGE_URL.remedy,
    }
    assert lines[1]["drop"]["problem"].startswith("Expected `array | null`")
    assert sent["drop"] is None
    (event,) = sent["events"]
    assert event["match_keys"] == {
        "carried": ["email", "phone", "external_id", "ttp", "ip", "user_agent"],
        "missing": ["ttclid"],
    }
    assert {
        "field": "properties.value",
        "value": 27.75,
        "mparticle": ["event.product_action.total_amount"],
        "rule": "number",
        "mapping": None,
    } in event["fields"]
    assert {
        "code": "CURRENCY_UNKNOWN",
        "field": "event.currency_code",
        "meaning": WarningCode.CURRENCY_UNKNOWN.value,
    } in sent["warnings"]


def person(**changes: Any) -> dict[str, Any]:
    batch: dict[str, Any] = json.loads(read_sample("purchase"))
    batch["user_identities"] = {
        "email": "Marker.One@example.com",
        "other_id_2": "marker-two is no address",
        "mobile_number": "+1 213 373 4254",
        "phone_number_2": "+1 marker 2133734255 2133734255",
        "customer_id": "Marker-Three",
    }
    names = {"$FirstName": "Markerfour", "$LastName": "Markerfive", "$Zip": "90210"}
    batch["user_attributes"] = names
    data = batch["events"][0]["data"]
    data["custom_flags"]["TikTok.URL"] = "https://example.com/?m=marker.six@example.com"
    return {**batch, **changes}


@pytest.mark.parametrize("layout", ["text", "json"])
def test_nobody_is_named_in_an_explanation(
    layout: Literal["text", "json"], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batches = [
        person(),
        person(user_identities={"email": "marker-seven", "facebook": "marker8"}),
        person(user_identities=[{"identity_type": "email", "identity": "marker-nine"}]),
        person(user_attributes="marker-ten"),
        person(ip="10.0.0.254"),
    ]
    path, settings = tmp_path / "people.json", tmp_path / "settings.toml"
    path.write_text(json.dumps(batches))
    settings.write_text(
        '[connections.shop]\npixel_id = "C4EXAMPLE"\nuser_attributes = true\n'
        'email_identity_types = ["email", "other_id_2"]\n'
        'phone_identity_types = ["mobile_number", "phone_number_2"]\n'
    )
    shown, _ = explain_file(path, capsys, layout, settings)
    for word in ("EMAIL_INVALID", "PHONE_INVALID", "IP_NOT_PUBLIC", "NO_IDENTITY"):
        assert word in shown
    without = shown.lower().replace(" ", "").replace("\n", "")
    for marker in ("marker", "2133734254", "2133734255", "90210", "10.0.0.254"):
        assert marker not in without


@pytest.mark.parametrize("layout", ["text", "json"])
def test_values_cannot_steer_the_terminal(
    layout: Literal["text", "json"], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = json.loads(read_sample("purchase"))
    products = batch["events"][0]["data"]["product_action"]["products"]
    products[0]["name"] = "\x1b[2J\x9b1A\u202emug"
    path = tmp_path / "steer.json"
    path.write_text(json.dumps(batch))
    shown, _ = explain_file(path, capsys, layout)
    assert "\x1b" not in shown
    if layout == "text":
        assert r"\u001b[2J\x9b1A\u202emug" in shown


def test_a_narrow_terminal_is_not_overrun(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(people, "WITHOUT_TERMINAL", 80)
    monkeypatch.chdir(tmp_path)
    sample("purchase", tmp_path)
    shown, _ = explain_file("purchase.json", capsys)
    assert max(len(line) for line in shown.splitlines()) <= 80
    # Digests are cut in the middle, and names are not.
    assert '"86e0b9e5…c6133d"' in shown
    assert "batch.user_identities.mobile_number\n" in shown


def test_coverage_is_told_for_each_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [sample(name, tmp_path) for name in ("extended", "purchase")]
    settings = HERE / "samples.toml"
    with pytest.raises(typer.Exit):
        explain([str(path) for path in paths], settings=settings)
    tables = capsys.readouterr().out.split("Match keys in the TikTok events of")
    shares = [
        {
            words[0]: words[1:3]
            for line in table.splitlines()
            if len(words := line.split()) == 4 and words[-1] == "%"
        }
        for table in tables[1:]
    ]
    assert shares[0]["email"] == ["3", "100"]
    assert shares[0]["ttclid"] == ["0", "0"]
    assert shares[1]["ttclid"] == ["1", "100"]


def test_a_file_without_tiktok_events_has_nothing_to_cover(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none.json"
    path.write_text(json.dumps({**json.loads(read_sample("purchase")), "events": []}))
    shown, exit_code = explain_file(path, capsys)
    assert shown.splitlines()[-1].endswith(": 0")
    assert exit_code == 0


def test_input_that_is_of_no_use_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "text"
    path.write_text("no JSON")
    with pytest.raises(typer.Exit) as ended:
        explain([str(path), str(tmp_path / "missing")])
    assert ended.value.exit_code == 2
    assert "holds no mParticle batch" in capsys.readouterr().err
