"""The three ways in which `tokferry transform` prints outcomes."""

import sys
from typing import Protocol

import msgspec

from tokferry_server.cli.tally import Tally
from tokferry_server.mapping.outcome import Outcome
from tokferry_server.tiktok.formats import wire_format
from tokferry_server.tiktok.wire import Route, WireFormat

_encoder = msgspec.json.Encoder()


class Writer(Protocol):
    """Takes outcomes in order, and is told when there are no more."""

    def add(self, file: str, outcome: Outcome) -> None:
        """Print an outcome, now or later."""

    def close(self, tally: Tally) -> None:
        """Print what is left."""


class LineWriter:
    """One JSON object for each event, in input order."""

    def __init__(self, wire: WireFormat) -> None:
        self._wire = wire

    def add(self, file: str, outcome: Outcome) -> None:
        """Print the outcome; TikTok events exactly as they would be posted."""
        drop = outcome.drop
        line = {
            "file": file,
            "batch": outcome.batch,
            "event": outcome.event,
            "outcome": "EVENTS" if drop is None else "DROPPED",
            "events": [
                msgspec.Raw(self._wire.encode_event(mapped.event, mapped.time_ms))
                for mapped in outcome.events
            ],
            "warnings": [
                {"code": warning.code.name, "field": warning.field}
                for warning in outcome.warnings
            ],
            "reason": drop and drop.reason.name,
            "field": drop and drop.field,
            "intended": drop and drop.reason.intended,
            "message": drop and drop.message,
        }
        sys.stdout.buffer.write(_encoder.encode(line) + b"\n")

    def close(self, tally: Tally) -> None:
        """Nothing is left."""


class TableWriter:
    """Nothing but the summary at the end."""

    def add(self, file: str, outcome: Outcome) -> None:
        """Leave it to the tally."""

    def close(self, tally: Tally) -> None:
        """Print the summary."""
        from tokferry_server.cli.summary import print_summary

        print_summary(tally)


def writer_for(layout: str, route: Route) -> Writer:
    """Give the writer of that name for a connection's route."""
    wire = wire_format(route.wire_format)
    if layout == "ndjson":
        return LineWriter(wire)
    if layout == "request":
        from tokferry_server.cli.request_writer import RequestWriter

        return RequestWriter(wire, route)
    return TableWriter()
