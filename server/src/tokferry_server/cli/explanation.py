"""Says of each field of a TikTok event where its value came from."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from msgspec.structs import replace

from tokferry_server.cli.leaves import leaves
from tokferry_server.mapping.custom.properties import load_properties
from tokferry_server.mapping.outcome import MappedEvent, Origin
from tokferry_server.mapping.table import load_fields
from tokferry_server.tiktok.wire import WireFormat

_IDS = "properties.content_ids"
_CONTENT_ID = re.compile(r"properties\.contents\[\d+\]\.content_id")
_ENTRY = re.compile(r"\[\d+\]")
_NAMED_OTHERWISE = {"search_string": "query"}
"""Properties that no row of the table fills, and their name in Events API 1.0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One field as it is sent: its TikTok path, its value, and where that came from.

    ``paths`` are mParticle's, none for what the wire format itself says; ``mapping``
    is the name of the custom mapping that set the field, if one did.
    """

    field: str
    value: Any
    paths: tuple[str, ...]
    rule: str | None
    mapping: str | None


def explained(mapped: MappedEvent, wire: WireFormat) -> list[Explained]:
    """Explain every field of what is posted; the event was mapped with ``explain``."""
    origins = _by_field(mapped.origins)
    body = msgspec.json.decode(wire.encode_event(mapped.event, mapped.time_ms))
    found = []
    for field, value in leaves(body):
        known = field if wire.name == "events_2" else _current(field)
        found.append(_explained(field, value, origins.get(known, ())))
    return found


def _explained(field: str, value: Any, origins: Sequence[Origin]) -> Explained:
    return Explained(
        field=field,
        value=value,
        paths=tuple(origin.mparticle for origin in origins),
        rule=origins[-1].rule if origins else None,
        mapping=origins[-1].mapping if origins else None,
    )


def _by_field(origins: Sequence[Origin]) -> Mapping[str, tuple[Origin, ...]]:
    """The origins that hold: what is set again replaces what was set before."""
    last = {origin.tiktok: origin for origin in origins}
    found: dict[str, tuple[Origin, ...]] = {
        field: (origin,) for field, origin in last.items()
    }
    if _IDS in last:
        of_ids = (one for field, one in last.items() if _CONTENT_ID.fullmatch(field))
        found |= {
            _IDS: tuple(replace(last[_IDS], mparticle=one.mparticle) for one in of_ids)
        }
    return found


def _current(legacy: str) -> str:
    """Give the name that a field of Events API 1.0 has in the mapping's origins."""
    current = _current_names().get(_ENTRY.sub("[*]", legacy), legacy)
    entry = _ENTRY.search(legacy)
    return current.replace("[*]", entry[0]) if entry else current


@cache
def _current_names() -> Mapping[str, str]:
    names = {row.legacy: row.tiktok for row in load_fields().all if row.legacy}
    for one in load_properties().values():
        legacy = _NAMED_OTHERWISE.get(one.member, one.member)
        names.setdefault(one.tiktok.replace(one.member, legacy), one.tiktok)
    return names
