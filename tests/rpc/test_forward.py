"""Forward in SYNC mode: a real channel, a real sandbox, a result for every event."""

import asyncio
import json
import time
from typing import Any

import grpc
import pytest
from opentelemetry.trace import SpanKind

import tokferry
from made_up import batch, purchase
from tokferry.v1 import (
    DeliveryMode,
    DeliveryReason,
    DropReason,
    ForwardRequest,
    Outcome,
)
from tokferry.v1.forwarding_service_pb2_grpc import ForwardingServiceStub
from tokferry_server.sandbox.faults import Fault


async def test_delivered_events_are_the_ones_the_sandbox_took(start: Any) -> None:
    running = await start()
    response = await running.client.forward(
        [batch(purchase(1), purchase(2)), batch(purchase(3))], connection="shop"
    )
    assert [
        (result.batch, result.event, Outcome.Name(result.outcome))
        for result in response.results
    ] == [
        (0, 0, "OUTCOME_DELIVERED"),
        (0, 1, "OUTCOME_DELIVERED"),
        (1, 0, "OUTCOME_DELIVERED"),
    ]
    assert {event.event_id for event in running.sandbox.events} == {
        "message-1",
        "message-2",
        "message-3",
    }
    assert running.sandbox.counts.requests == 1
    assert response.mode == DeliveryMode.DELIVERY_MODE_SYNC


async def test_dropped_events_never_reach_tiktok_and_totals_add_up(start: Any) -> None:
    running = await start()
    response = await running.client.forward(
        [
            batch(purchase(1)),
            batch(purchase(2), environment="development"),
            batch({"event_type": "session_start", "data": {}}),
        ],
        connection="shop",
    )
    totals = response.totals
    assert (totals.received, totals.delivered, totals.dropped) == (3, 1, 2)
    reasons = [result.drop.reason for result in response.results[1:]]
    assert reasons == [
        DropReason.DROP_REASON_ENVIRONMENT,
        DropReason.DROP_REASON_UNSUPPORTED_EVENT,
    ]
    assert running.sandbox.counts.taken == 1


async def test_one_refused_event_is_cut_out_and_the_rest_delivered(start: Any) -> None:
    refuse = Fault(reply="refuse", event_ids=frozenset({"message-2"}), times=None)
    running = await start(sandbox={"faults": [refuse]})
    response = await running.client.forward(
        batch(*(purchase(n) for n in range(5))), connection="shop"
    )
    outcomes = [Outcome.Name(result.outcome) for result in response.results]
    assert (
        outcomes
        == ["OUTCOME_DELIVERED"] * 2 + ["OUTCOME_REJECTED"] + ["OUTCOME_DELIVERED"] * 2
    )
    (delivery,) = response.results[2].deliveries
    assert delivery.reason == DeliveryReason.DELIVERY_REASON_INVALID_EVENT
    assert (delivery.code, delivery.event_id) == (40002, "message-2")
    assert running.sandbox.counts.requests == 2


async def test_a_thousand_events_below_a_megabyte_make_one_request(start: Any) -> None:
    running = await start()
    response = await running.client.forward(
        batch(*(purchase(n) for n in range(1000))), connection="shop"
    )
    assert response.totals.delivered == 1000
    assert running.sandbox.counts.requests == 1


async def test_more_than_a_megabyte_makes_no_needless_request(start: Any) -> None:
    running = await start()
    name = "x" * 1500
    products = [{"id": "sku", "name": name, "price": 1, "quantity": 1}]
    action = {"action": "purchase", "total_amount": 1, "products": products}
    response = await running.client.forward(
        batch(*(purchase(n, product_action=action) for n in range(1000))),
        connection="shop",
    )
    assert response.totals.delivered == 1000
    assert running.sandbox.counts.requests == 2


async def test_transform_shows_the_bytes_that_forward_posts(start: Any) -> None:
    running = await start()
    given = batch(*(purchase(n) for n in range(3)))
    shown = await running.client.transform(given, connection="shop")
    validated = await running.client.forward(
        given, connection="shop", validate_only=True
    )
    await running.client.forward(given, connection="shop")
    previews = [result.events[0].json for result in shown.results]
    assert [result.deliveries[0].json for result in validated.results] == previews
    assert previews == [bytes(event.body) for event in running.sandbox.events]


async def test_validate_only_sends_nothing(start: Any) -> None:
    running = await start()
    response = await running.client.forward(
        batch(purchase(1)), connection="tokenless", validate_only=True
    )
    assert response.totals.validated == 1
    assert response.results[0].deliveries[0].event == "PlaceAnOrder"
    assert running.sandbox.counts.requests == 0


async def test_events_beyond_the_age_limit_are_dropped_at_send_time(start: Any) -> None:
    running = await start(max_event_age="1h")
    now = round(time.time() * 1000)
    response = await running.client.forward(
        batch(
            purchase(1, timestamp_unixtime_ms=now - 3_700_000),
            purchase(2, timestamp_unixtime_ms=now - 3_500_000),
        ),
        connection="shop",
    )
    assert response.results[0].drop.reason == DropReason.DROP_REASON_TOO_OLD
    assert response.results[1].outcome == Outcome.OUTCOME_DELIVERED


async def test_legacy_layout_goes_to_the_legacy_endpoint(start: Any) -> None:
    running = await start(wire_format="events_1")
    response = await running.client.forward(
        batch(*(purchase(n) for n in range(51))), connection="shop"
    )
    assert response.totals.delivered == 51
    assert running.sandbox.counts.requests == 2


@pytest.mark.parametrize(
    ("call", "error", "reason"),
    [
        ({"connection": "unknown"}, tokferry.FailedPrecondition, "UNKNOWN_CONNECTION"),
        ({"connection": "tokenless"}, tokferry.FailedPrecondition, "NO_ACCESS_TOKEN"),
        (
            {"connection": "shop", "mode": "durable"},
            tokferry.FailedPrecondition,
            "NO_OUTBOX",
        ),
    ],
)
async def test_a_call_that_cannot_work_says_why(
    start: Any, call: dict[str, Any], error: type[Exception], reason: str
) -> None:
    running = await start()
    with pytest.raises(error) as caught:
        await running.client.forward(batch(purchase(1)), **call)
    assert caught.value.reason == reason  # type: ignore[attr-defined]


async def test_a_wrong_token_leaves_every_event_to_be_sent_again(start: Any) -> None:
    running = await start(sandbox={"pixels": ["C4ANOTHERPIXEL"]})
    response = await running.client.forward(batch(purchase(1)), connection="shop")
    (delivery,) = response.results[0].deliveries
    assert delivery.outcome == Outcome.OUTCOME_RETRYABLE
    assert delivery.reason == DeliveryReason.DELIVERY_REASON_CONNECTION_AUTH


async def test_a_call_ends_before_its_deadline_when_tiktok_hangs(start: Any) -> None:
    running = await start(sandbox={"faults": [Fault(reply="handle", delay=5.0)]})
    response = await running.client.forward(
        batch(purchase(1)), connection="shop", timeout=1.5
    )
    (delivery,) = response.results[0].deliveries
    assert delivery.outcome == Outcome.OUTCOME_UNKNOWN


@pytest.mark.parametrize("calls", [64, 300])
async def test_concurrent_calls_on_one_channel_have_no_errors(
    start: Any, calls: int
) -> None:
    running = await start()
    request = ForwardRequest(
        connection="shop", json=json.dumps(batch(purchase(1))).encode()
    )
    async with grpc.aio.insecure_channel(running.target) as channel:
        stub = ForwardingServiceStub(channel)
        responses = await asyncio.gather(
            *(stub.Forward(request, timeout=60) for _ in range(calls))
        )
    assert {response.totals.delivered for response in responses} == {1}


async def test_cancelled_calls_do_not_break_the_ones_after_them(start: Any) -> None:
    delays = [Fault(reply="handle", delay=0.3) for _ in range(30)]
    running = await start(sandbox={"faults": delays})
    for number in range(30):
        call = asyncio.ensure_future(
            running.client.forward(batch(purchase(number)), connection="shop")
        )
        await asyncio.sleep(0.01)
        call.cancel()
    for number in range(100):
        response = await running.client.forward(
            batch(purchase(1000 + number)), connection="shop"
        )
        assert response.totals.delivered == 1


async def test_each_call_and_each_attempt_has_a_span(start: Any) -> None:
    busy = Fault(reply="code", code=40100)
    running = await start(sandbox={"faults": [busy]})
    await running.client.forward(batch(purchase(1)), connection="shop", timeout=20)
    await running.server.drain()  # a span ends when its call was answered
    spans = running.spans.get_finished_spans()
    servers = [span for span in spans if span.kind == SpanKind.SERVER]
    clients = [span for span in spans if span.kind == SpanKind.CLIENT]
    assert [span.name for span in servers] == ["tokferry.v1.ForwardingService/Forward"]
    assert [span.attributes["tokferry.tiktok.code"] for span in clients] == [40100, 0]
    parent = servers[0].get_span_context().span_id
    assert {span.parent.span_id for span in clients} == {parent}
    texts = " ".join(str(span.to_json()) for span in spans)
    for secret in ("jane.doe", "203.0.113.7", "a-made-up-token", "shop.example.com"):
        assert secret not in texts


async def test_health_says_serving_and_draining_refuses_new_calls(start: Any) -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    running = await start(sandbox={"faults": [Fault(reply="handle", delay=0.5)]})
    async with grpc.aio.insecure_channel(running.target) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        before = await health.Check(health_pb2.HealthCheckRequest())
        assert before.status == health_pb2.HealthCheckResponse.SERVING
        slow = asyncio.ensure_future(
            running.client.forward(batch(purchase(1)), connection="shop")
        )
        await asyncio.sleep(0.2)
        draining = asyncio.ensure_future(running.server.drain(notice_seconds=0.1))
        await asyncio.sleep(0.05)
        during = await health.Check(health_pb2.HealthCheckRequest())
        assert during.status == health_pb2.HealthCheckResponse.NOT_SERVING
        await draining
    assert (await slow).totals.delivered == 1


async def test_describe_shows_settings_and_the_mapping_but_no_token(start: Any) -> None:
    running = await start(default_region="US")
    response = await running.client.describe_connection("shop")
    assert response.has_access_token
    assert response.settings.default_region == "US"
    assert list(response.settings.email_identity_types) == ["email"]
    events = {row.mparticle_event: row.tiktok_event for row in response.events}
    assert events["commerce_event purchase"] == "PlaceAnOrder"
    assert "user.email" in {row.tiktok_field for row in response.rows}
    assert "a-made-up-token" not in str(response)
