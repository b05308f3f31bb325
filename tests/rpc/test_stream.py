"""ForwardStream over a real channel: every chunk answered, in a bounded window."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

import tokferry
from made_up import batch, purchase
from tokferry.v1 import (
    Chunk,
    DeliveryMode,
    DropReason,
    ForwardStreamRequest,
    ForwardStreamResponse,
    Outcome,
    StreamOptions,
)
from tokferry.v1.forwarding_service_pb2_grpc import ForwardingServiceStub
from tokferry_server.rpc.dispatch import Dispatch
from tokferry_server.sandbox.faults import Fault

OPTIONS = StreamOptions(connection="shop", mode=DeliveryMode.DELIVERY_MODE_SYNC)


def chunk(sequence: int, *events: Any, **members: Any) -> ForwardStreamRequest:
    data = json.dumps(batch(*events, **members)).encode()
    return ForwardStreamRequest(chunk=Chunk(sequence=sequence, json=data))


async def answers(
    target: str,
    chunks: Iterable[ForwardStreamRequest],
    options: StreamOptions | None = OPTIONS,
) -> list[ForwardStreamResponse]:
    async def requests() -> AsyncIterator[ForwardStreamRequest]:
        if options is not None:
            yield ForwardStreamRequest(options=options)
        for one in chunks:
            yield one

    async with grpc.aio.insecure_channel(target) as channel:
        call = ForwardingServiceStub(channel).ForwardStream(requests())
        return [response async for response in call]


def reason(error: grpc.RpcError) -> str:
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    return str(info.reason)


async def test_every_chunk_is_answered_and_the_totals_add_up(start: Any) -> None:
    running = await start()
    received = await answers(
        running.target,
        [
            chunk(1, purchase(1), purchase(2)),
            chunk(2, purchase(3), environment="development"),
            chunk(7, purchase(4)),
        ],
    )
    assert received[0].opened.mode == DeliveryMode.DELIVERY_MODE_SYNC
    assert received[0].opened.window_chunks == 64
    chunks = {one.chunk.sequence: one.chunk for one in received[1:-1]}
    assert sorted(chunks) == [1, 2, 7]
    assert [result.outcome for result in chunks[1].results] == [
        Outcome.OUTCOME_DELIVERED
    ] * 2
    dropped = chunks[2].results[0].drop.reason
    assert dropped == DropReason.DROP_REASON_ENVIRONMENT
    totals = received[-1].totals
    assert (totals.chunks, totals.totals.received) == (3, 4)
    assert (totals.totals.delivered, totals.totals.dropped) == (3, 1)
    assert running.sandbox.counts.taken == 3


async def test_a_slow_chunk_does_not_hold_up_the_answers_of_others(start: Any) -> None:
    slow = Fault(reply="handle", delay=0.5, event_id="message-1")
    running = await start(sandbox={"faults": [slow]})
    received = await answers(
        running.target, [chunk(1, purchase(1)), chunk(2, purchase(2))]
    )
    assert [one.chunk.sequence for one in received[1:-1]] == [2, 1]


async def test_a_chunk_that_cannot_be_read_costs_only_itself(start: Any) -> None:
    running = await start()
    unreadable = ForwardStreamRequest(chunk=Chunk(sequence=1, json=b"{broken"))
    received = await answers(running.target, [unreadable, chunk(2, purchase(2))])
    chunks = {one.chunk.sequence: one.chunk for one in received[1:-1]}
    (result,) = chunks[1].results
    assert result.drop.reason == DropReason.DROP_REASON_MALFORMED_EVENT
    assert not result.HasField("event")
    assert chunks[2].results[0].outcome == Outcome.OUTCOME_DELIVERED


@pytest.mark.parametrize(
    ("options", "chunks", "expected"),
    [
        (None, [chunk(1, purchase(1))], "STREAM_PROTOCOL"),
        (OPTIONS, [ForwardStreamRequest(options=OPTIONS)], "STREAM_PROTOCOL"),
        (
            OPTIONS,
            [chunk(2, purchase(1)), chunk(2, purchase(2))],
            "STREAM_PROTOCOL",
        ),
        (StreamOptions(connection="other"), [], "UNKNOWN_CONNECTION"),
        (StreamOptions(), [], "MISSING_CONNECTION"),
        (StreamOptions(connection="tokenless"), [], "NO_ACCESS_TOKEN"),
        (
            StreamOptions(connection="shop", mode=DeliveryMode.DELIVERY_MODE_DURABLE),
            [],
            "NO_OUTBOX",
        ),
        (StreamOptions(connection="shop", label="x" * 65), [], "INVALID_ARGUMENT"),
        (
            StreamOptions(connection="shop", test_event_code="x" * 65),
            [],
            "INVALID_ARGUMENT",
        ),
        (
            OPTIONS,
            [chunk(1, *(purchase(n) for n in range(1001)))],
            "TOO_MANY_EVENTS",
        ),
        (OPTIONS, [chunk(1, purchase(1, big="x" * 1_100_000))], "REQUEST_TOO_LARGE"),
    ],
)
async def test_a_stream_that_is_wrong_ends_with_the_reason(
    start: Any,
    options: StreamOptions | None,
    chunks: list[ForwardStreamRequest],
    expected: str,
) -> None:
    running = await start()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await answers(running.target, chunks, options)
    assert reason(caught.value) == expected


async def until_error(
    target: str, requests: AsyncIterator[ForwardStreamRequest]
) -> tuple[list[ForwardStreamResponse], str]:
    """Give the answers before the error that ends the stream, and its reason."""
    received: list[ForwardStreamResponse] = []
    async with grpc.aio.insecure_channel(target) as channel:
        call = ForwardingServiceStub(channel).ForwardStream(requests)
        try:
            async for response in call:
                received.append(response)  # noqa: PERF401  those before the error
        except grpc.aio.AioRpcError as error:
            return received, reason(error)
    return received, "OK"


async def test_chunks_under_way_are_answered_before_an_error_ends_it(
    start: Any,
) -> None:
    running = await start(sandbox={"faults": [Fault(reply="handle", delay=0.3)]})

    async def requests() -> AsyncIterator[ForwardStreamRequest]:
        yield ForwardStreamRequest(options=OPTIONS)
        yield chunk(5, purchase(1))
        yield chunk(5, purchase(2))

    received, ended = await until_error(running.target, requests())
    assert ended == "STREAM_PROTOCOL"
    assert received[1].chunk.results[0].outcome == Outcome.OUTCOME_DELIVERED


async def test_draining_finishes_what_was_read_and_says_what_was_not(
    start: Any,
) -> None:
    running = await start(sandbox={"faults": [Fault(reply="handle", delay=0.5)]})
    drains = []

    async def requests() -> AsyncIterator[ForwardStreamRequest]:
        yield ForwardStreamRequest(options=OPTIONS)
        yield chunk(3, purchase(1))
        await asyncio.sleep(0.2)
        drains.append(asyncio.create_task(running.server.drain()))
        await asyncio.Event().wait()

    received, ended = await until_error(running.target, requests())
    await drains[0]
    assert ended == "DRAINING"
    assert received[1].draining.last_sequence == 3
    assert received[2].chunk.results[0].outcome == Outcome.OUTCOME_DELIVERED


async def test_validate_only_sends_nothing(start: Any) -> None:
    running = await start()
    options = StreamOptions(connection="tokenless", validate_only=True)
    received = await answers(running.target, [chunk(1, purchase(1))], options)
    assert received[1].chunk.results[0].outcome == Outcome.OUTCOME_VALIDATED
    assert running.sandbox.counts.requests == 0


async def test_a_chunk_that_fails_in_an_unforeseen_way_ends_the_stream(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await start()

    async def fail(*_arguments: Any) -> None:
        raise RuntimeError("jane.doe@example.com")

    monkeypatch.setattr(Dispatch, "prepare", fail)
    with pytest.raises(tokferry.TokferryError) as caught:
        async for _ in running.client.forward_stream(
            [batch(purchase(1))], connection="shop"
        ):
            pass
    assert caught.value.reason == "INTERNAL"
    assert "example.com" not in str(caught.value)
