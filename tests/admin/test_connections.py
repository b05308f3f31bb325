"""Pauses, statuses and counts through the admin service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import grpc
import pytest

import tokferry
from admin.conftest import Shop, refused
from made_up import batch, purchase
from tokferry.v1 import (
    Chunk,
    ConnectionState,
    ConnectionStatus,
    DeliveryMode,
    DeliveryReason,
    EventResult,
    ForwardStreamRequest,
    GetOutboxStatsRequest,
    ListConnectionStatusesRequest,
    Outcome,
    PauseConnectionRequest,
    ResumeConnectionRequest,
    StreamOptions,
)
from tokferry.v1.forwarding_service_pb2_grpc import ForwardingServiceStub
from tokferry_server.sandbox.faults import Fault

ACTIVE = ConnectionState.CONNECTION_STATE_ACTIVE
BY_OPERATOR = ConnectionState.CONNECTION_STATE_PAUSED_BY_OPERATOR
BY_ANSWER = ConnectionState.CONNECTION_STATE_PAUSED_BY_ANSWER


async def status(shop: Shop, name: str = "shop") -> ConnectionStatus:
    response = await shop.admin.ListConnectionStatuses(
        ListConnectionStatusesRequest(connection=name)
    )
    (one,) = response.statuses
    return one


async def pause(shop: Shop, note: str = "") -> ConnectionStatus:
    request = PauseConnectionRequest(connection="shop", note=note)
    return (await shop.admin.PauseConnection(request)).status


async def resume(shop: Shop) -> ConnectionStatus:
    request = ResumeConnectionRequest(connection="shop")
    return (await shop.admin.ResumeConnection(request)).status


async def test_a_paused_connection_accepts_and_delivers_once_it_is_resumed(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    paused = await pause(shop, "ask Jane")
    await shop.send(1, 2)
    held = await status(shop)
    await asyncio.sleep(0.3)
    before = shop.sandbox.counts.requests
    resumed = await resume(shop)
    await shop.taken(2)

    assert (paused.state, paused.note) == (BY_OPERATOR, "ask Jane")
    assert paused.since.ToSeconds() > 0
    assert (held.state, held.pending) == (BY_OPERATOR, 2)
    assert not held.HasField("retry_delay")
    assert before == 0
    assert (resumed.state, resumed.note) == (ACTIVE, "")
    lines = [json.loads(r.getMessage()) for r in caplog.records if "audit" in r.name]
    assert lines == [
        {"audit": "pause_connection", "connection": "shop"},
        {"audit": "resume_connection", "connection": "shop"},
    ]


async def test_a_call_that_would_send_at_once_is_refused_while_paused(
    shop: Shop,
) -> None:
    await pause(shop)

    with pytest.raises(tokferry.FailedPrecondition) as caught:
        await shop.client.forward(batch(purchase(1)), connection="shop", mode="sync")
    shown = await shop.client.forward(
        batch(purchase(1)), connection="shop", mode="sync", validate_only=True
    )

    assert caught.value.reason == "CONNECTION_PAUSED"
    assert shop.sandbox.counts.requests == 0
    assert shown.totals.validated == 1


async def test_a_pause_meets_the_later_chunks_of_an_open_stream(shop: Shop) -> None:
    answered = asyncio.Event()

    async def requests() -> AsyncIterator[ForwardStreamRequest]:
        mode = DeliveryMode.DELIVERY_MODE_SYNC
        yield ForwardStreamRequest(options=StreamOptions(connection="shop", mode=mode))
        for number in (1, 2):
            data = json.dumps(batch(purchase(number))).encode()
            yield ForwardStreamRequest(chunk=Chunk(sequence=number, json=data))
            await answered.wait()

    results: list[EventResult] = []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{shop.port}") as channel:
        async for response in ForwardingServiceStub(channel).ForwardStream(requests()):
            if response.HasField("chunk"):
                results += response.chunk.results
                await pause(shop)
                answered.set()

    first, second = results
    assert first.outcome == Outcome.OUTCOME_DELIVERED
    assert second.outcome == Outcome.OUTCOME_RETRYABLE
    assert second.deliveries[0].reason == DeliveryReason.DELIVERY_REASON_PAUSED


async def test_what_tiktok_paused_says_why_and_when_it_is_tried(shop: Shop) -> None:
    shop.sandbox.script([Fault(reply="code", code=40105, times=None)])
    await shop.send(1)
    for _ in range(100):
        one = await status(shop)
        if one.state == BY_ANSWER:
            break
        await asyncio.sleep(0.05)

    assert one.state == BY_ANSWER
    assert one.reason == DeliveryReason.DELIVERY_REASON_CONNECTION_AUTH
    assert 0 < one.retry_delay.ToSeconds() <= 60
    assert one.since.ToSeconds() > 0
    assert not one.HasField("last_delivered_time")
    shop.heal()
    assert (await resume(shop)).state == ACTIVE
    await shop.taken(1)
    for _ in range(100):
        one = await status(shop)
        if one.HasField("last_delivered_time") and not one.pending:
            break
        await asyncio.sleep(0.05)
    assert one.HasField("last_delivered_time")


async def test_a_connection_without_a_token_waits_for_one(shop: Shop) -> None:
    await shop.client.forward(batch(purchase(1)), connection="bare", mode="durable")
    await asyncio.sleep(0.2)

    one = await status(shop, "bare")

    assert one.state == ConnectionState.CONNECTION_STATE_NO_ACCESS_TOKEN
    assert (one.has_access_token, one.pending) == (False, 1)


async def test_all_statuses_come_by_name(shop: Shop) -> None:
    response = await shop.admin.ListConnectionStatuses(ListConnectionStatusesRequest())

    assert [one.connection for one in response.statuses] == ["bare", "shop"]


async def test_a_connection_that_there_is_not_is_refused(shop: Shop) -> None:
    for call in (
        shop.admin.PauseConnection(PauseConnectionRequest(connection="shpo")),
        shop.admin.ResumeConnection(ResumeConnectionRequest(connection="shpo")),
        shop.admin.ListConnectionStatuses(
            ListConnectionStatusesRequest(connection="shpo")
        ),
        shop.admin.GetOutboxStats(GetOutboxStatsRequest(connection="shpo")),
    ):
        assert (await refused(call))[0] == "FAILED_PRECONDITION"
    missing = shop.admin.PauseConnection(PauseConnectionRequest())
    assert (await refused(missing))[0] == "INVALID_ARGUMENT"


async def test_the_outbox_is_counted_by_connection_and_label(shop: Shop) -> None:
    await shop.refuse(1, label="nightly")
    await pause(shop)
    await shop.send(2, 3, label="nightly")
    await shop.send(4)

    every = await shop.admin.GetOutboxStats(GetOutboxStatsRequest())
    mine = await shop.admin.GetOutboxStats(GetOutboxStatsRequest(label="nightly"))
    other = await shop.admin.GetOutboxStats(GetOutboxStatsRequest(connection="bare"))

    (one,) = every.connections
    assert (one.connection, one.accepted) == ("shop", 6)
    assert (one.delivered, one.dead, one.pending) == (2, 1, 3)
    assert one.bytes > 600
    assert one.oldest_time.ToSeconds() > 0
    total = mine.total
    assert (total.accepted, total.delivered, total.dead, total.pending) == (5, 2, 1, 2)
    assert list(other.connections) == []
    assert (every.max_rows, every.max_bytes) == (5_000_000, 4 * 2**30)
    assert every.disk_free_bytes > 0
