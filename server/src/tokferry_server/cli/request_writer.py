"""Prints outcomes as the bodies of requests."""

import sys
from collections.abc import Sequence

from tokferry_server.cli.paper import complain
from tokferry_server.cli.tally import Tally
from tokferry_server.delivery.group import Item, pack
from tokferry_server.mapping.outcome import Outcome
from tokferry_server.tiktok.wire import Route, WireFormat


class RequestWriter:
    """The bodies of the requests, one a line, exactly as they would be posted."""

    def __init__(self, wire: WireFormat, route: Route) -> None:
        self._wire = wire
        self._route = route
        self._waiting: list[Item] = []

    def add(self, file: str, outcome: Outcome) -> None:
        """Print the bodies that this outcome completes."""
        del file
        self._waiting.extend(
            Item(index=0, body=self._wire.encode_event(mapped.event, mapped.time_ms))
            for mapped in outcome.events
        )
        if len(self._waiting) >= self._wire.max_events:
            *full, self._waiting = self._groups()
            self._print(full)

    def close(self, tally: Tally) -> None:
        """Print the last bodies; say on the error output what is in none."""
        self._print(self._groups())
        dropped = tally.dropped.most_common()
        if dropped:
            names = ", ".join(f"{reason.name} {number}" for reason, number in dropped)
            complain(f"dropped: {names}")

    def _groups(self) -> list[list[Item]]:
        return pack(self._route, self._waiting, self._wire.max_events)

    def _print(self, groups: Sequence[Sequence[Item]]) -> None:
        for group in groups:
            events = [item.body for item in group]
            body = self._wire.encode_request(self._route, events)
            sys.stdout.buffer.write(body + b"\n")
