"""Connections and routes, written once and named in the rows by a small number."""

import sqlite3
from typing import Final, cast

from tokferry_server.delivery.outbox.interface import OutboxError
from tokferry_server.tiktok.wire import Route, WireName

LOST: Final = Route(
    wire_format=cast("WireName", "unspecified"),
    event_source="unspecified",
    event_source_id="",
)
"""The route of a damaged row: no mark fits it, so it is shown and never sent."""


class Names:
    """Both tables, read into memory. ``reload`` forgets what was rolled back."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._connections: dict[str, int] = {}
        self._connection_names: dict[int, str] = {}
        self._routes: dict[Route, int] = {}
        self._route_values: dict[int, Route] = {}
        self.reload()

    def reload(self) -> None:
        """Read both tables again."""
        rows = self._db.execute("SELECT id, name FROM connection").fetchall()
        self._connection_names = dict(rows)
        self._connections = {name: number for number, name in rows}
        self._route_values = {
            number: Route(
                wire_format=wire_format,
                event_source=source,
                event_source_id=source_id,
                test_event_code=code,
            )
            for number, wire_format, source, source_id, code in self._db.execute(
                "SELECT id, wire_format, event_source, event_source_id, "
                "test_event_code FROM route"
            )
        }
        self._routes = {route: number for number, route in self._route_values.items()}

    def find(self, name: str) -> int | None:
        """Give the number of a connection that has ever stored a row."""
        return self._connections.get(name)

    def has_connection(self, number: int) -> bool:
        """Whether there is such a number: the disk may have changed it."""
        return number in self._connection_names

    def connection_name(self, number: int) -> str:
        """Give the name behind a number.

        Raises:
            OutboxError: there is none.
        """
        if number not in self._connection_names:
            raise OutboxError("the outbox lacks a connection's name: look at the disk")
        return self._connection_names[number]

    def route_of(self, number: int) -> Route:
        """Give the route behind a number, ``LOST`` if the disk changed that."""
        return self._route_values.get(number, LOST)

    def connection(self, name: str) -> int:
        """Give the number of a connection; writes it when it is new."""
        number = self._connections.get(name)
        if number is None:
            number = len(self._connections) + 1
            self._db.execute("INSERT INTO connection VALUES (?, ?)", (number, name))
            self._connections[name] = number
            self._connection_names[number] = name
        return number

    def route(self, route: Route) -> int:
        """Give the number of a route; writes it when it is new."""
        number = self._routes.get(route)
        if number is None:
            number = len(self._routes) + 1
            self._db.execute(
                "INSERT INTO route VALUES (?, ?, ?, ?, ?)",
                (
                    number,
                    route.wire_format,
                    route.event_source,
                    route.event_source_id,
                    route.test_event_code,
                ),
            )
            self._routes[route] = number
            self._route_values[number] = route
        return number
