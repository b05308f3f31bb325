"""DURABLE: an answer means stored and synced; the worker delivers behind it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

import tokferry
from made_up import batch, purchase
from tokferry.v1 import (
    Chunk,
    DeliveryMode,
    ForwardStreamRequest,
    Outcome,
    StreamOptions,
)
from tokferry.v1.forwarding_service_pb2_grpc import ForwardingServiceStub
from tokferry_server.sandbox.faults import Fault


async def delivered(running: Any, count: int) -> None:
    for _ in range(200):
        if running.sandbox.counts.taken >= count:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(running.sandbox.counts)


async def test_accepted_events_are_delivered_behind_the_call(start: Any) -> None:
    running = await start(outbox={})
    response = await running.client.forward(
        batch(*(purchase(n) for n in range(20))), connection="shop", mode="durable"
    )
    assert response.totals.accepted == 20
    assert response.mode == DeliveryMode.DELIVERY_MODE_DURABLE
    await delivered(running, 20)


async def test_with_a_key_accepted_events_are_sealed_on_the_disk(
    start: Any, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text("5e" * 32)
    running = await start(outbox={"key_file": "keys"})
    response = await running.client.forward(
        batch(*(purchase(n) for n in range(5))), connection="shop", mode="durable"
    )
    assert response.totals.accepted == 5
    stored = b"".join(
        file.read_bytes() for file in (tmp_path / "state").glob("outbox*")
    )
    assert b"sku-1" not in stored
    assert b"PlaceAnOrder" in stored  # the event's name is no part of its body
    await delivered(running, 5)


async def test_a_resent_event_is_answered_with_the_first_copys_state(
    start: Any,
) -> None:
    running = await start(outbox={})
    given = batch(purchase(1))
    await running.client.forward(given, connection="shop", mode="durable")
    await delivered(running, 1)
    for _ in range(100):
        again = await running.client.forward(given, connection="shop", mode="durable")
        (delivery,) = again.results[0].deliveries
        assert delivery.duplicate
        if delivery.outcome == Outcome.OUTCOME_DELIVERED:
            break
        await asyncio.sleep(0.05)
    assert delivery.outcome == Outcome.OUTCOME_DELIVERED
    assert running.sandbox.counts.taken == 1
    assert running.sandbox.counts.duplicates == 0


async def test_events_that_tiktok_fails_at_first_are_delivered_in_the_end(
    start: Any,
) -> None:
    faults = [Fault(reply="code", code=50000), Fault(reply="reset", taken=True)]
    running = await start(outbox={}, sandbox={"faults": faults})
    await running.client.forward(batch(purchase(1)), connection="shop", mode="durable")
    await delivered(running, 1)


async def test_a_refused_event_becomes_a_dead_letter_and_costs_no_other(
    start: Any,
) -> None:
    refuse = Fault(reply="refuse", event_ids=frozenset({"message-1"}), times=None)
    running = await start(outbox={}, sandbox={"faults": [refuse]})
    await running.client.forward(
        batch(*(purchase(n) for n in range(5))), connection="shop", mode="durable"
    )
    await delivered(running, 4)
    for _ in range(100):
        stats = await running.service.durable.outbox.stats()
        if stats["shop"].dead:
            break
        await asyncio.sleep(0.05)
    assert (stats["shop"].dead, stats["shop"].pending) == (1, 0)


async def test_the_stream_is_durable_by_itself_when_there_is_an_outbox(
    start: Any,
) -> None:
    running = await start(outbox={})

    async def requests() -> AsyncIterator[ForwardStreamRequest]:
        yield ForwardStreamRequest(
            options=StreamOptions(connection="shop", label="nightly")
        )
        for sequence in range(1, 6):
            events = (purchase(sequence * 100 + n) for n in range(20))
            data = json.dumps(batch(*events)).encode()
            yield ForwardStreamRequest(chunk=Chunk(sequence=sequence, json=data))

    async with grpc.aio.insecure_channel(running.target) as channel:
        call = ForwardingServiceStub(channel).ForwardStream(requests())
        received = [response async for response in call]
    assert received[0].opened.mode == DeliveryMode.DELIVERY_MODE_DURABLE
    assert received[-1].totals.totals.accepted == 100
    await delivered(running, 100)


async def test_a_full_outbox_refuses_and_drops_nothing(start: Any) -> None:
    running = await start(outbox={"max_rows": 10})
    running.service.durable.pauses.pause("shop", "a test")
    await asyncio.sleep(1.2)
    await running.client.forward(
        batch(*(purchase(n) for n in range(10))), connection="shop", mode="durable"
    )
    with pytest.raises(tokferry.ResourceExhausted) as caught:
        await running.client.forward(
            batch(purchase(11)), connection="shop", mode="durable"
        )
    assert caught.value.reason == "OUTBOX_FULL"
    assert caught.value.retry_after is not None
    running.service.durable.pauses.resume("shop")
    await delivered(running, 10)
