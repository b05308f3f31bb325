"""Reads the examples of custom mappings, and does with them what the service does."""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokferry_server.mapping.outcome import Outcome
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.read_json import read_json
from tokferry_server.settings import settings_from_mapping
from tokferry_server.tiktok.formats import wire_format

FOLDER = Path(__file__).resolve().parents[1] / "examples"
PIXEL = {"pixel_id": "C4EXAMPLE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A title, a remark, settings in TOML, events in JSON, and their outcomes."""

    title: str
    text: str
    mapping: str
    events: str
    outcomes: tuple[Outcome, ...]
    sent: tuple[tuple[dict[str, Any], ...], ...]


def batch_text() -> str:
    """Give what stands around every event, as JSON."""
    return (FOLDER / "batch.json").read_text("utf-8").strip()


def read_examples() -> Iterator[Example]:
    """Give every example in the order of the file names."""
    for path in sorted(FOLDER.glob("*.toml")):
        yield _example(tomllib.loads(path.read_text("utf-8")))


def _example(data: dict[str, Any]) -> Example:
    tables = tomllib.loads(data["mapping"])
    tables["connections"]["shop"] |= PIXEL
    connection = settings_from_mapping(tables).connections["shop"].mapping
    events = json.loads(data["events"])
    batch = json.loads(batch_text())
    batch["events"] = events if isinstance(events, list) else [events]
    transformer = Transformer(connection, explain=True)
    outcomes = tuple(transformer.transform(read_json(json.dumps(batch).encode())))
    wire = wire_format(connection.wire_format)
    return Example(
        title=data["title"],
        text=data["text"],
        mapping=data["mapping"].strip(),
        events=data["events"].strip(),
        outcomes=outcomes,
        sent=tuple(
            tuple(
                json.loads(wire.encode_event(one.event, one.time_ms))
                for one in outcome.events
            )
            for outcome in outcomes
        ),
    )
