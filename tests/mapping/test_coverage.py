"""Asks of the tables and enums themselves whether each entry has a case."""

import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from strategies.cases import Case, read_cases
from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.outcome import DropReason, WarningCode
from tokferry_server.mapping.table import load_events, load_fields

CASES = read_cases(Path(__file__).parent / "cases")
MAPPING = Path(__file__).parents[2] / "server/src/tokferry_server/mapping"


COLUMNS = ("web", "web current", "app", "offline, crm")


def mentioned(text: str, *, beside: str) -> bool:
    """Whether a file of the mapping, beside the one that defines it, says the text."""
    return any(
        text in path.read_text("utf-8")
        for path in MAPPING.rglob("*.py")
        if path.name != beside
    )


UNREACHED: dict[str, tuple[str, Callable[[], bool]]] = {
    "TOO_OLD": (
        "the age is looked at when events are sent: the mapping has no clock",
        lambda: not mentioned("TOO_OLD", beside="outcome.py"),
    ),
    "max_event_age_seconds": (
        "as TOO_OLD",
        lambda: not mentioned("max_event_age_seconds", beside="connection.py"),
    ),
    "name": ("it never decides what is sent", lambda: True),
    "pixel_id": ("it stands in the request, not in events", lambda: True),
}
"""What no case can reach as yet: why, and whether that still holds."""


def test_every_alternative_of_every_row_has_a_case() -> None:
    covered = {
        (case.row, generic(path))
        for case in CASES
        if case.row
        for want in case.want
        for path in sent_paths(want)
    }
    wanted = {
        (alternative, row.tiktok)
        for row in load_fields().all
        for alternative in row.alternatives
    }

    assert sorted(wanted - covered) == []


def test_every_legacy_member_has_a_case() -> None:
    covered = {
        generic(path)
        for case in CASES
        if case.settings.get("wire_format") == "events_1"
        for want in case.want
        for path in sent_paths(want)
    }
    wanted = {row.legacy for row in load_fields().all if row.legacy}

    assert sorted(wanted - covered) == []


def test_every_native_event_has_a_case_in_every_column() -> None:
    covered = {
        (column, native_row(event), want["sends"]["event"])
        for case in CASES
        for column, event, want in sent_events(case)
    }
    table = load_events()
    wanted = {
        (column, row[0], name)
        for group in ("commerce", "extended_commerce", "extended")
        for row in table[group]
        for column, name in zip(COLUMNS, row[1:], strict=True)
        if name
    }

    assert sorted(wanted - covered) == []


def test_every_drop_reason_warning_and_setting_has_a_case() -> None:
    named = covered_names()
    wanted = [
        *(reason.name for reason in DropReason),
        *(code.name for code in WarningCode),
        *(field.name for field in fields(Connection)),
    ]

    assert [name for name in wanted if name not in named | UNREACHED.keys()] == []


def test_the_list_of_what_is_not_reached_is_not_stale() -> None:
    known = {reason.name for reason in DropReason} | {code.name for code in WarningCode}
    known |= {field.name for field in fields(Connection)}

    assert UNREACHED.keys() <= known
    assert UNREACHED.keys() & covered_names() == set()
    assert [name for name, (_, holds) in UNREACHED.items() if not holds()] == []


def covered_names() -> set[str]:
    wants = [want for case in CASES for want in case.want]
    return {
        *(want["drop"][0] for want in wants if "drop" in want),
        *(code for want in wants for code, _ in want.get("warnings", [])),
        *(name for case in CASES for name in case.settings),
    }


def sent_events(case: Case) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Give each event that a case names in its want, with the column it is under."""
    source = case.settings.get("event_source", "web")
    if source == "web" and case.settings.get("event_names") == "current":
        source = "web current"
    column = "offline, crm" if source in ("offline", "crm") else source
    events = [event for batch in case.batches for event in batch["events"]]
    for event, want in zip(events, case.want, strict=True):
        if "event" in want.get("sends", {}):
            yield column, event, want


def native_row(event: dict[str, Any]) -> str:
    """Name the row of ``events.toml`` that an event is an example of."""
    data = event["data"]
    flag = (data.get("custom_flags") or {}).get("Rokt.CommerceEventType")
    if flag:
        return f"flag Rokt.CommerceEventType = {flag}"
    if event.get("event_type") == "screen_view":
        return "screen view"
    if event.get("event_type") == "custom_event":
        is_search = "custom_event_type" in data
        name = data.get("event_name", "").lower()
        return "custom event of type search" if is_search else f"custom event {name}"
    if data.get("promotion_action"):
        return "promotion view"
    if data.get("product_impressions"):
        return "product impression"
    return str(data["product_action"]["action"])


def sent_paths(want: dict[str, object]) -> Iterator[str]:
    """Give the path of every member that the want names, at whatever depth."""
    for key in ("sends", "exactly"):
        yield from paths_in(want.get(key, {}), "")


def paths_in(value: object, path: str) -> Iterator[str]:
    yield path
    if isinstance(value, dict):
        for name, item in value.items():
            yield from paths_in(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from paths_in(item, f"{path}.{index}")


def generic(path: str) -> str:
    return re.sub(r"\.[0-9]+", "[*]", path)
