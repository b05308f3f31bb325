"""What `transform --against` says of a change of settings."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import typer

from tokferry_server.cli.against import _Comparer
from tokferry_server.cli.change_writers import ChangeLines
from tokferry_server.cli.comparison import Change
from tokferry_server.cli.leaves import leaves
from tokferry_server.cli.transform import transform
from tokferry_server.mapping.connection import Connection
from tokferry_server.mparticle.model import Batch, Malformed
from tokferry_server.mparticle.read_json import read_json
from tokferry_server.samples import SAMPLES, read_sample

OLD = """
[connections.shop]
pixel_id = "C4EXAMPLE"
native_events = "extended"
"""
NEW = """
[connections.shop]
pixel_id = "C4EXAMPLE"
event_names = "current"
environments = ["production", "development"]
consent.gdpr_purposes = []
[[connections.shop.custom_mappings]]
name = "refunds"
match = { action = "refund" }
event = "Refunded"
"""
STRICT = """
[connections.shop]
pixel_id = "C4EXAMPLE"
native_events = "extended"
environments = ["development"]
"""

Result = tuple[list[dict[str, Any]], int]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("old", OLD), ("new", NEW), ("strict", STRICT)):
        Path(f"{name}.toml").write_text(text)
    for name in SAMPLES:
        Path(f"{name}.json").write_bytes(read_sample(name))
    return tmp_path


def compare(
    capsys: pytest.CaptureFixture[str],
    *files: str,
    new: str = "new.toml",
    old: str = "old.toml",
    layout: Literal["ndjson", "table", "request"] | None = None,
    limit: int = 20,
) -> tuple[str, int]:
    with pytest.raises(typer.Exit) as ended:
        transform(
            [*files],
            settings=Path(new),
            against=Path(old),
            layout=layout,
            limit=limit,
        )
    return capsys.readouterr().out, ended.value.exit_code


def lines_of(shown: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in shown.splitlines()]


@pytest.mark.usefixtures("folder")
def test_nothing_is_printed_and_0_returned_when_nothing_changes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = [f"{name}.json" for name in SAMPLES]
    assert compare(capsys, *files, new="old.toml") == ("", 0)


@pytest.mark.usefixtures("folder")
def test_each_kind_of_change_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    shown, exit_code = compare(capsys, "mixed.json", "extended.json")
    changes = {
        (line["file"], line["batch"], line["event"]): line["change"]
        for line in lines_of(shown)
    }
    assert exit_code == 1
    assert changes == {
        ("mixed.json", 0, 3): "SENT",
        ("mixed.json", 0, 4): "CHANGED",
        ("mixed.json", 1, 0): "CHANGED",
        ("mixed.json", 2, 0): "SENT",
        **{("extended.json", 0, number): "DROPPED" for number in range(3)},
    }
    shown, _ = compare(capsys, "mixed.json", new="strict.toml")
    reasons = {
        line["event"]: (line["before"]["reason"], line["after"]["reason"])
        for line in lines_of(shown)
        if line["change"] == "REASON"
    }
    assert reasons[2] == ("MISSING_PAGE_URL", "ENVIRONMENT")


@pytest.mark.usefixtures("folder")
def test_a_change_tells_both_outcomes_and_what_differs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown, _ = compare(capsys, "purchase.json")
    (line,) = lines_of(shown)
    assert line["diff"] == [
        {"path": "events[0].event", "before": "PlaceAnOrder", "after": "Purchase"}
    ]
    for settings, side in (("old.toml", "before"), ("new.toml", "after")):
        with pytest.raises(typer.Exit):
            transform(["purchase.json"], settings=Path(settings), layout="ndjson")
        (whole,) = lines_of(capsys.readouterr().out)
        assert line[side] == {"outcome": "EVENTS", "events": whole["events"]}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("settings", ["new.toml", "strict.toml"])
def test_what_differs_makes_the_old_outcome_the_new_one(
    settings: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [f"{name}.json" for name in SAMPLES]
    shown, _ = compare(capsys, *files, new=settings)
    for line in lines_of(shown):
        members = dict(leaves(line["before"]))
        for one in line["diff"]:
            assert members.pop(one["path"], None) == one["before"]
            if one["after"] is not None:
                members[one["path"]] = one["after"]
        assert members == dict(leaves(line["after"]))
    assert shown


@pytest.mark.usefixtures("folder")
def test_people_see_a_diff_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    shown, exit_code = compare(capsys, "mixed.json", "extended.json", layout="table")
    assert exit_code == 1
    assert (
        "~ mixed.json batch 0, event 4: PlaceAnOrder changes\n"
        '  ~  event  "PlaceAnOrder" → "Purchase"\n'
    ) in shown
    assert (
        "+ mixed.json batch 0, event 3: Refunded is newly sent, it was dropped "
        "UNSUPPORTED_EVENT at event.product_action.action\n"
    ) in shown
    assert '  +  properties.content_ids                   ["SKU-TEE-M"]\n' in shown
    assert (
        "- extended.json batch 0, event 0: PageView is no longer sent, but dropped "
        "UNSUPPORTED_EVENT at event\n"
    ) in shown
    assert shown.splitlines()[-1] == (
        "11 events: 4 unchanged, 2 changed, 2 newly sent, 3 no longer sent, "
        "0 dropped for another reason"
    )


@pytest.mark.usefixtures("folder")
def test_people_see_as_many_changes_as_they_ask_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def headings(limit: int) -> int:
        shown, _ = compare(capsys, "mixed.json", layout="table", limit=limit)
        assert ("and 2 more: --limit 0" in shown) is (limit == 2)
        assert "8 events: 4 unchanged" in shown
        return sum(" batch " in line for line in shown.splitlines())

    assert [headings(limit) for limit in (2, 4, 0)] == [2, 4, 4]


@pytest.mark.usefixtures("folder")
def test_programs_get_every_change(capsys: pytest.CaptureFixture[str]) -> None:
    shown, _ = compare(capsys, "mixed.json", layout="ndjson", limit=1)
    assert len(shown.splitlines()) == 4


@pytest.mark.usefixtures("folder")
def test_another_destination_is_a_change_of_every_event(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("elsewhere.toml").write_text(OLD.replace("C4EXAMPLE", "C4OTHER"))
    shown, exit_code = compare(
        capsys, "purchase.json", new="elsewhere.toml", layout="table"
    )
    assert exit_code == 1
    assert '~  event_source_id  "C4EXAMPLE" → "C4OTHER"' in shown
    with pytest.raises(typer.Exit) as ended:
        transform(
            ["purchase.json"],
            settings=Path("elsewhere.toml"),
            against=Path("old.toml"),
        )
    printed = capsys.readouterr()
    assert (printed.out, ended.value.exit_code) == ("", 1)
    assert "every event: event_source_id" in printed.err


@pytest.mark.usefixtures("folder")
def test_another_wire_format_changes_every_event(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("legacy.toml").write_text(f'{OLD}wire_format = "events_1"\n')
    shown, _ = compare(capsys, "purchase.json", new="legacy.toml")
    (line,) = lines_of(shown)
    differs = {one["path"]: (one["before"], one["after"]) for one in line["diff"]}
    assert differs["events[0].type"] == (None, "track")
    assert differs["events[0].event_time"] == (1764600000, None)


@pytest.mark.usefixtures("folder")
def test_what_cannot_be_compared_ends_with_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert compare(capsys, "purchase.json", layout="request") == ("", 2)
    assert compare(capsys, "purchase.json", old="missing.toml") == ("", 2)
    assert compare(capsys, "missing.json")[1] == 2
    with pytest.raises(typer.Exit) as ended:
        transform(["purchase.json"], against=Path("old.toml"))
    assert ended.value.exit_code == 2
    assert "--settings" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_events_are_compared_as_they_are_read() -> None:
    produced: list[int] = []
    behind: list[int] = []

    class Writer(ChangeLines):
        def add(self, change: Change) -> None:
            behind.append(produced[-1] - change.batch)

    def batches() -> Iterator[Batch | Malformed]:
        for number in range(300):
            produced.append(number)
            yield from read_json(read_sample("purchase"))

    comparer = _Comparer(
        Connection(name="shop", pixel_id="C4EXAMPLE"),
        Connection(name="shop", pixel_id="C4EXAMPLE", event_names="current"),
        Writer(),
    )
    comparer.compare("-", batches())
    assert len(behind) == 300
    assert max(behind) <= 1
