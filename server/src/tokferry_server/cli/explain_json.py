"""Explanations for programs: one JSON object for each event."""

import sys
from typing import Any

import msgspec

from tokferry_server.cli.explanation import explained
from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.coverage import match_keys, possible_keys
from tokferry_server.mapping.outcome import Drop, MappedEvent, Outcome
from tokferry_server.tiktok.formats import wire_format

_encoder = msgspec.json.Encoder()


class ExplainLines:
    """Prints each explanation on a line of its own."""

    def __init__(self, connection: Connection) -> None:
        self._wire = wire_format(connection.wire_format)
        self._keys = possible_keys(connection)

    def add(self, file: str, outcome: Outcome) -> None:
        """Print what became of one event, and why."""
        line = {
            "file": file,
            "batch": outcome.batch,
            "event": outcome.event,
            "outcome": "EVENTS" if outcome.drop is None else "DROPPED",
            "events": [self._event(mapped) for mapped in outcome.events],
            "warnings": [
                {
                    "code": warning.code.name,
                    "field": warning.field,
                    "meaning": warning.code.value,
                }
                for warning in outcome.warnings
            ],
            "drop": outcome.drop and _drop(outcome.drop),
        }
        sys.stdout.buffer.write(_encoder.encode(line) + b"\n")

    def end_file(self, file: str) -> None:
        """Each event has told its own match keys."""

    def _event(self, mapped: MappedEvent) -> dict[str, Any]:
        carried = match_keys(mapped.event)
        return {
            "event": mapped.event.event,
            "fields": [
                {
                    "field": one.field,
                    "value": one.value,
                    "mparticle": one.paths,
                    "rule": one.rule,
                    "mapping": one.mapping,
                }
                for one in explained(mapped, self._wire)
            ],
            "match_keys": {
                "carried": [key for key in self._keys if key in carried],
                "missing": [key for key in self._keys if key not in carried],
            },
        }


def _drop(drop: Drop) -> dict[str, Any]:
    return {
        "reason": drop.reason.name,
        "field": drop.field,
        "intended": drop.reason.intended,
        "problem": drop.problem,
        "remedy": drop.reason.remedy,
    }
