"""Rows for the tests of the outbox, and a clock that they can move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tokferry_server.delivery.outbox.interface import NewRow, Position
from tokferry_server.tiktok.wire import Route

START = 1_790_000_000.0
HOUR = 3600.0
WEB = Route(wire_format="events_2", event_source="web", event_source_id="PIXEL0001")
APP = Route(
    wire_format="events_2",
    event_source="app",
    event_source_id="APP0001",
    test_event_code="TEST1",
)


@dataclass(slots=True)
class Clock:
    now: float = START

    def __call__(self) -> float:
        return self.now


def row(  # noqa: PLR0913 - a test names what it needs
    number: int | str,
    *,
    connection: str = "shop",
    body: bytes | None = None,
    route: Route = WEB,
    event: str = "Purchase",
    label: str = "",
) -> NewRow:
    return NewRow(
        connection=connection,
        route=route,
        event=event,
        event_id=f"id-{number}",
        body=f'{{"n":"{number}"}}'.encode() if body is None else body,
        time_ms=1_790_000_000_000,
        position=Position(label=label, sequence=7, batch=2, event=1),
    )


def rows(
    first: int, number: int, *, connection: str = "shop", label: str = ""
) -> Sequence[NewRow]:
    return [
        row(n, connection=connection, label=label) for n in range(first, first + number)
    ]
