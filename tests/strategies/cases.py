"""Reads mapping cases from TOML: settings and changes to one plain batch, and a want.

A case changes the batch below. ``batch`` and ``event`` are merged into it (tables
member by member, all else replaced); ``events`` does so for several events, ``batches``
for several batches. TOML has no null: the text ``<null>`` writes one, ``<absent>``
removes the member.
"""

import copy
import hashlib
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.custom.check import faults
from tokferry_server.mapping.custom.model import CustomMapping
from tokferry_server.settings.custom_mapping_table import (
    CustomMappingTable,
    build_mapping,
)

BATCH: dict[str, Any] = {
    "ip": "203.0.113.7",
    "user_identities": {"email": "alice@example.com"},
    "device_info": {"http_header_user_agent": "Mozilla/5.0 (Example)"},
}
EVENT: dict[str, Any] = {
    "event_type": "commerce_event",
    "data": {
        "timestamp_unixtime_ms": 1_700_000_000_123,
        "source_message_id": "message-1",
        "custom_flags": {"TikTok.URL": "https://shop.example.com/cart"},
        "product_action": {"action": "add_to_cart"},
    },
}
"""An event that is sent, as AddToCart, without any warning."""

_KEYS = {
    *("description", "settings", "batch", "event", "event_type", "events", "batches"),
    *("row", "strict", "want"),
}
_WANTS = {"sends", "exactly", "never", "events", "drop", "warnings"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case; ``want`` has one entry for each outcome, in order.

    An outcome of several TikTok events has one want for each under ``events``.
    ``row`` is the mParticle path of the table row that the case is about. ``strict``
    false means that TikTok might refuse what is sent, as the case's description says.
    """

    description: str
    settings: dict[str, Any]
    batches: list[dict[str, Any]]
    want: list[dict[str, Any]]
    row: str | None
    strict: bool

    @property
    def connection(self) -> Connection:
        """The connection with the case's settings."""
        return connection(**self.settings)

    @property
    def json(self) -> bytes:
        """The input: an array of batches."""
        return json.dumps(self.batches).encode()


def connection(**settings: Any) -> Connection:
    """Give a connection; lists become tuples, as the settings reader makes them."""
    source = settings.get("event_source", "web")
    if "custom_mappings" in settings:
        settings["custom_mappings"] = [
            custom_mapping(one, source) for one in settings["custom_mappings"]
        ]
    members: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in settings.items()
    }
    return Connection(name="shop", pixel_id="C4EXAMPLE", **members)


def custom_mapping(table: dict[str, Any], event_source: str) -> CustomMapping:
    """Give a custom mapping as the settings file has it; refuse a wrong one."""
    mapping = build_mapping(CustomMappingTable.model_validate(table))
    wrong = list(faults(mapping, event_source))
    if wrong:
        raise ValueError(f"{mapping.name}: {wrong}")
    return mapping


def read_cases(folder: Path) -> list[Case]:
    """Read every case of a folder's TOML files."""
    return [
        _case(entry, path.name)
        for path in sorted(folder.glob("*.toml"))
        for entry in tomllib.loads(path.read_text("utf-8"))["case"]
    ]


def digest(text: str) -> str:
    """SHA-256 in hex, computed apart from the code under test."""
    return hashlib.sha256(text.encode()).hexdigest()


def merged(base: Any, change: Any) -> Any:
    """Merge a change into a copy of the base, as the module says."""
    if change == "<null>":
        return None
    if isinstance(change, list):
        return [merged({}, item) for item in change]
    if not isinstance(change, dict):
        return change
    result = copy.deepcopy(base) if isinstance(base, dict) else {}
    for name, value in change.items():
        if value == "<absent>":
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def batch(change: dict[str, Any], events: list[dict[str, Any]]) -> dict[str, Any]:
    """Give the plain batch with a change, and its events with theirs."""
    return {
        **merged(BATCH, change),
        "events": [merged(EVENT, {"data": event}) for event in events],
    }


def _case(entry: dict[str, Any], file: str) -> Case:
    unknown = entry.keys() - _KEYS
    want = entry["want"] if isinstance(entry["want"], list) else [entry["want"]]
    unknown |= {key for one in want for key in one.keys() - _WANTS}
    if unknown:
        raise ValueError(f"{file}: {entry['description']}: unknown {sorted(unknown)}")
    return Case(
        description=entry["description"],
        settings=entry.get("settings", {}),
        batches=_batches(entry),
        want=want,
        row=entry.get("row"),
        strict=entry.get("strict", True),
    )


def _batches(entry: dict[str, Any]) -> list[dict[str, Any]]:
    if "batches" in entry:
        return [_batches(one)[0] for one in entry["batches"]]
    events = entry.get("events", [entry.get("event", {})])
    made = batch(entry.get("batch", {}), events)
    if "event_type" in entry:
        change = {"event_type": entry["event_type"]}
        made["events"] = [merged(event, change) for event in made["events"]]
    return [made]
