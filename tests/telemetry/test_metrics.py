"""What is counted agrees with what calls answer and with what the sandbox saw."""

from __future__ import annotations

from typing import Any

import pytest

from made_up import batch, purchase
from telemetry.conftest import Watch, until
from tokferry import TokferryError
from tokferry.v1 import MatchKey
from tokferry_server.sandbox.faults import Fault
from tokferry_server.telemetry.metrics import ATTRIBUTES, INSTRUMENTS

EVENTS = ("connection", "outcome", "reason", "intended")


async def test_events_are_counted_by_outcome_and_reason(watch: Watch) -> None:
    seen = await watch(environments=["production"])
    await seen.client.forward(
        [
            batch(*(purchase(n) for n in range(3))),
            batch(purchase(4), environment="development"),
            batch(purchase(5, timestamp_unixtime_ms="soon")),
        ],
        connection="shop",
    )
    await seen.client.forward(batch(purchase(6)), connection="shop", validate_only=True)
    assert seen.values("tokferry.events", *EVENTS) == {
        ("shop", "delivered", None, None): 3,
        ("shop", "dropped", "ENVIRONMENT", "true"): 1,
        ("shop", "dropped", "INVALID_TIMESTAMP", "false"): 1,
        ("shop", "validated", None, None): 1,
    }


async def test_what_transform_shows_is_counted_apart(watch: Watch) -> None:
    seen = await watch()
    await seen.client.transform(
        [batch(purchase(1)), batch(purchase(2), user_identities={})],
        connection="shop",
    )
    assert seen.values("tokferry.events", *EVENTS) == {
        ("shop", "transformed", None, None): 1,
        ("shop", "dropped", "NO_IDENTITY", "false"): 1,
    }
    assert seen.values("tokferry.mapped") == {}


async def test_a_failed_delivery_is_counted_with_its_reason(watch: Watch) -> None:
    refuse = Fault(reply="refuse", event_ids=frozenset({"message-1"}), times=None)
    seen = await watch(sandbox={"faults": [refuse]})
    await seen.client.forward(
        batch(*(purchase(n) for n in range(3))), connection="shop"
    )
    assert seen.values("tokferry.events", *EVENTS) == {
        ("shop", "delivered", None, None): 2,
        ("shop", "rejected", "INVALID_EVENT", None): 1,
    }


async def test_requests_are_counted_by_verdict(watch: Watch) -> None:
    seen = await watch(sandbox={"faults": [Fault(reply="code", code=50000)]})
    await seen.client.forward(batch(purchase(1)), connection="shop")
    requests = seen.values("tokferry.tiktok.request.duration", "connection", "verdict")
    assert requests == {("shop", "SERVER_ERROR"): 1, ("shop", "DELIVERED"): 1}
    assert seen.values("tokferry.tiktok.resends", "connection") == {"shop": 1}
    assert sum(requests.values()) == seen.sandbox.counts.requests
    assert seen.values("tokferry.tiktok.in_flight", "connection") == {}


async def test_calls_are_measured_by_method_and_status(watch: Watch) -> None:
    seen = await watch()
    await seen.client.describe_connection("shop")
    with pytest.raises(TokferryError):
        await seen.client.describe_connection("nowhere")
    # A call ends after its caller has the status.
    await until(lambda: not seen.values("tokferry.calls.active"))
    points = seen.points("rpc.server.call.duration")
    method = "tokferry.v1.ForwardingService/DescribeConnection"
    common = {"rpc.system.name": "grpc", "rpc.method": method}
    found = [(attributes, point.count) for attributes, point in points]
    assert found == [
        ({**common, "rpc.response.status_code": "OK"}, 1),
        ({**common, "rpc.response.status_code": "FAILED_PRECONDITION"}, 1),
    ]
    assert all(point.sum > 0 for _, point in points)


async def test_match_keys_are_counted_as_transform_counts_them(watch: Watch) -> None:
    seen = await watch()
    given = [
        batch(purchase(1), purchase(2)),
        batch(purchase(3), user_identities={"customerid": "c-1"}, ip=None),
    ]
    await seen.client.forward(given, connection="shop")
    shown = await seen.client.transform(given, connection="shop", explain=True)
    keys = seen.values("tokferry.mapped.match_keys", "match_key")
    named = {
        MatchKey.Name(key.key).removeprefix("MATCH_KEY_").lower(): key.events
        for key in shown.coverage.keys
        if key.events
    }
    assert keys == named
    assert seen.values("tokferry.mapped") == {None: shown.coverage.events}


async def test_the_outbox_and_its_connections_are_seen(watch: Watch) -> None:
    refuse = Fault(reply="refuse", event_ids=frozenset({"message-1"}), times=None)
    seen = await watch(outbox=True, sandbox={"faults": [refuse]})
    assert seen.service.durable is not None
    await seen.client.forward(
        batch(*(purchase(n) for n in range(5))), connection="shop", mode="durable"
    )
    fates = {"delivered": 4, "dead": 1}
    await until(lambda: seen.values("tokferry.outbox.events", "fate") == fates)
    await until(lambda: seen.values("tokferry.outbox.dead_letters") == {None: 1})
    assert seen.values("tokferry.outbox.depth") == {}
    assert seen.values("tokferry.connection.state", "state") == {"running": 1}
    seen.service.durable.pauses.pause("shop", "a note of jo@example.com")
    await until(
        lambda: seen.values("tokferry.connection.state", "state") == {"paused": 1}
    )
    await seen.client.forward(batch(purchase(9)), connection="shop", mode="durable")
    await until(lambda: seen.values("tokferry.outbox.depth") == {None: 1})
    assert seen.values("tokferry.outbox.oldest_age")[None] > 0
    assert seen.values("tokferry.outbox.size")[None] > 100


async def test_the_process_is_seen(watch: Watch) -> None:
    seen = await watch()
    assert seen.values("process.memory.usage")[None] > 10 * 2**20
    await until(lambda: seen.points("tokferry.event_loop.lag"))
    [(_, lag)] = seen.points("tokferry.event_loop.lag")
    assert lag.count >= 1
    assert 0 <= lag.min <= lag.max < 60


async def test_everything_that_is_measured_is_in_the_table(watch: Watch) -> None:
    seen = await watch(outbox=True)
    await seen.client.forward(batch(purchase(1)), connection="shop")
    await until(lambda: seen.points("tokferry.connection.state"))
    await until(lambda: seen.points("tokferry.event_loop.lag"))
    data: Any = seen.reader.get_metrics_data()
    named = {one.name: one for one in INSTRUMENTS}
    metrics = data.resource_metrics[0].scope_metrics[0].metrics
    assert {metric.name for metric in metrics} == named.keys()
    for metric in metrics:
        table = named[metric.name]
        assert (metric.unit, metric.description) == (table.unit, table.meaning)
        for point in metric.data.data_points:
            assert set(point.attributes) <= set(table.attributes)
            assert set(point.attributes) <= set(ATTRIBUTES)
