"""How the cost of an event changes as batches, products, mappings, connections grow."""

import tomllib
from collections.abc import Callable
from typing import Final

from bench import configured
from bench.path import Way, json_batches, to_request
from bench.profiles import Load, purchase
from bench.timing import Case, Timed, measure
from tokferry_server.rpc.connections import Connections
from tokferry_server.rpc.forwarding import parcels_of, prepare
from tokferry_server.settings import settings_from_mapping
from tokferry_server.tiktok.formats import wire_format

EVENTS: Final = (1, 2, 5, 10, 20, 50, 100, 200)
PRODUCTS: Final = (1, 3, 10, 30, 100)
MAPPINGS: Final = (0, 1, 10, 100, 1000)
CONNECTIONS: Final = (1, 10, 50, 100, 200)
AXES: Final = {
    "events in a batch": EVENTS,
    "products in an event": PRODUCTS,
    "custom mappings": MAPPINGS,
    "connections in turns": CONNECTIONS,
}
STEADY: Final = ("events in a batch", "connections in turns")
"""More of these is more events: the cost of each one is to stay."""


def run(rounds: int, seconds: float = 0.01) -> Timed:
    """Measure all of them in turns: CPU seconds for each event."""
    return measure(
        [*_events(), *_products(), *_mappings(), *_connections()],
        rounds=rounds,
        seconds=seconds,
    )


def _events() -> list[Case]:
    way = to_request(configured.connection("web"), json_batches)
    return [
        _case("events in a batch", count, way, purchase(count, mobile=False))
        for count in EVENTS
    ]


def _products() -> list[Case]:
    way = to_request(configured.connection("web"), json_batches)
    return [
        _case(
            "products in an event",
            count,
            way,
            purchase(1, mobile=False, products=count),
        )
        for count in PRODUCTS
    ]


def _mappings() -> list[Case]:
    load = purchase(1, mobile=False)
    made = {
        count: configured.connection("web", mappings=count, matching=True)
        for count in MAPPINGS
    }
    return [
        _case("custom mappings", count, to_request(one, json_batches), load)
        for count, one in made.items()
    ]


def _connections() -> list[Case]:
    """One event for each connection in turns, as a server finds its transformer."""
    return [
        Case(
            key=("connections in turns", count),
            run=_turns(count, purchase(1, mobile=False)),
            units=count,
        )
        for count in CONNECTIONS
    ]


def _turns(count: int, load: Load) -> Callable[[], object]:
    text = configured.settings_text(connections=count)
    settings = settings_from_mapping(tomllib.loads(text))
    connections = Connections(settings.connections, {})
    names = [f"web{number}" for number in range(count)]

    def run() -> None:
        for name in names:
            transformer = connections.transformer(name, test_event_code=None)
            route = transformer.connection.route
            wire = wire_format(transformer.connection.wire_format)
            batches = json_batches(load.json, transformer)
            outcomes = list(transformer.transform(batches))
            prepared = prepare(outcomes, route, wire)
            wire.encode_request(route, [one.body for one in parcels_of(prepared)])

    return run


def _case(axis: str, count: int, way: Way, load: Load) -> Case:
    return Case(key=(axis, count), run=lambda: way(load.json), units=load.events)
