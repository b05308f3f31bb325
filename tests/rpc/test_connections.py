"""Of each connection its mapping is compiled once, however many there are."""

from __future__ import annotations

from tokferry_server.rpc.connections import Connections
from tokferry_server.settings import connection_from_mapping

COUNT = 100


def test_no_connection_has_its_mapping_compiled_again() -> None:
    configured = {
        f"shop-{number}": connection_from_mapping({"pixel_id": "C4EXAMPLE"})
        for number in range(COUNT)
    }
    connections = Connections(configured, {})
    first = {n: connections.transformer(n, test_event_code=None) for n in configured}
    for number in range(10):
        connections.transformer("shop-0", test_event_code=f"TEST{number}")

    again = {n: connections.transformer(n, test_event_code=None) for n in configured}

    assert all(again[name] is first[name] for name in configured)


def test_test_event_codes_do_not_pile_up() -> None:
    connections = Connections(
        {"shop": connection_from_mapping({"pixel_id": "C4EXAMPLE"})}, {}
    )
    for number in range(500):
        connections.transformer("shop", test_event_code=f"TEST{number}")

    assert len(connections._transformers) < COUNT
