"""The three ways in which `tokferry transform` prints outcomes."""

import sys
from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from tokferry_server.cli.paper import complain
from tokferry_server.cli.tally import Tally
from tokferry_server.mapping.outcome import Outcome
from tokferry_server.tiktok.formats import wire_format
from tokferry_server.tiktok.wire import MAX_REQUEST_BYTES, Route, WireFormat

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


class RequestWriter:
    """The bodies of the requests, one a line, exactly as they would be posted."""

    def __init__(self, wire: WireFormat, route: Route) -> None:
        self._wire = wire
        self._route = route
        self._waiting: list[bytes] = []

    def add(self, file: str, outcome: Outcome) -> None:
        """Print the bodies that this outcome completes."""
        del file
        self._waiting.extend(
            self._wire.encode_event(mapped.event, mapped.time_ms)
            for mapped in outcome.events
        )
        if len(self._waiting) >= self._wire.max_events:
            *full, self._waiting = requests(self._waiting, self._route, self._wire)
            self._print(full)

    def close(self, tally: Tally) -> None:
        """Print the last bodies; say on the error output what is in none."""
        self._print(list(requests(self._waiting, self._route, self._wire)))
        dropped = tally.dropped.most_common()
        if dropped:
            names = ", ".join(f"{reason.name} {number}" for reason, number in dropped)
            complain(f"dropped: {names}")

    def _print(self, groups: Sequence[Sequence[bytes]]) -> None:
        for group in groups:
            body = self._wire.encode_request(self._route, group)
            sys.stdout.buffer.write(body + b"\n")


class TableWriter:
    """Nothing but the summary at the end."""

    def add(self, file: str, outcome: Outcome) -> None:
        """Leave it to the tally."""

    def close(self, tally: Tally) -> None:
        """Print the summary."""
        from tokferry_server.cli.summary import print_summary

        print_summary(tally)


def requests(
    events: Sequence[bytes], route: Route, wire: WireFormat
) -> Iterator[list[bytes]]:
    """Group encoded events, in order, so that each group fits into one request."""
    envelope = len(wire.encode_request(route, [b"{}", b"{}"]))
    group: list[bytes] = []
    size = envelope
    for event in events:
        full = size + len(event) + 1 > MAX_REQUEST_BYTES
        if group and (full or len(group) == wire.max_events):
            yield group
            group, size = [], envelope
        group.append(event)
        size += len(event) + 1
    if group:
        yield group


def writer_for(layout: str, route: Route) -> Writer:
    """Give the writer of that name for a connection's route."""
    wire = wire_format(route.wire_format)
    if layout == "ndjson":
        return LineWriter(wire)
    if layout == "request":
        return RequestWriter(wire, route)
    return TableWriter()
