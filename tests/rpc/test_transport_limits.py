"""What one connection, and all of them, may ask of a server, seen from the wire."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import grpc
import pytest

from made_up import batch, purchase
from rpc.raw_calls import channel_to, ended
from tokferry import AsyncClient, TokferryError
from tokferry.v1 import ForwardStreamRequest, StreamOptions
from tokferry_server.rpc import admission
from tokferry_server.rpc.limits import budget

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, PING = 4, 6
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 3, 4
"""https://www.rfc-editor.org/rfc/rfc9113#section-6"""


def frame(kind: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind]) + bytes(5) + payload


class Peer:
    """One HTTP/2 connection, frame by frame."""

    def __init__(self, streams: tuple[asyncio.StreamReader, Any]) -> None:
        self._reader, self._writer = streams

    @classmethod
    async def connect(cls, target: str, first: bytes = PREFACE) -> Peer:
        host, port = target.split(":")
        peer = cls(await asyncio.open_connection(host, int(port)))
        peer.send(first + (frame(SETTINGS) if first == PREFACE else b""))
        return peer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def frames(self) -> AsyncIterator[tuple[int, bytes]]:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await self._reader.readexactly(9)
                size = int.from_bytes(head[:3], "big")
                yield head[3], await self._reader.readexactly(size)

    async def payload(self, kind: int) -> bytes | None:
        """Give the next frame of a kind; None when the server hangs up before it."""
        async with asyncio.timeout(10):
            async for found, payload in self.frames():
                if found == kind:
                    return payload
        return None

    async def ended(self, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            async for _ in self.frames():
                pass

    def close(self) -> None:
        self._writer.close()


async def test_a_connection_is_told_how_much_it_may_send(start: Any) -> None:
    running = await start()
    peer = await Peer.connect(running.target)
    payload = await peer.payload(SETTINGS)
    peer.close()
    assert payload is not None
    told = dict(struct.iter_unpack(">HI", payload))
    assert told[MAX_CONCURRENT_STREAMS] == 32
    assert told[INITIAL_WINDOW_SIZE] == 128 * 1024


async def test_a_connection_that_pings_all_the_time_is_answered(start: Any) -> None:
    running = await start()
    peer = await Peer.connect(running.target)
    assert await peer.payload(SETTINGS) is not None
    for number in range(100):
        peer.send(frame(PING, number.to_bytes(8)))
        assert await peer.payload(PING) == number.to_bytes(8)
    peer.close()


async def test_no_more_connections_than_64_are_taken(start: Any) -> None:
    running = await start()
    await running.client.describe_connection("shop")
    peers = [await Peer.connect(running.target) for _ in range(63)]
    for peer in peers:
        assert await peer.payload(SETTINGS) is not None

    one_more = await Peer.connect(running.target)
    assert await one_more.payload(SETTINGS) is None
    await running.client.describe_connection("shop")

    for peer in (*peers, one_more):
        peer.close()
    async with AsyncClient(running.target) as client:
        await client.describe_connection("shop", timeout=20)


async def test_metadata_and_messages_have_a_most(start: Any) -> None:
    running = await start()
    method = "/tokferry.v1.ForwardingService/Transform"
    for metadata, message in (
        ((("x-much", "x" * 20_000),), b""),
        ((), bytes(4 * 2**20 + 1)),
    ):
        async with grpc.aio.insecure_channel(running.target) as channel:
            call: Any = channel.unary_unary(method)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(message, metadata=metadata)
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_more_streams_than_may_be_open_are_to_come_back_later(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "MOST_STREAMS", 1)
    running = await start()
    method = "/tokferry.v1.ForwardingService/ForwardStream"
    options = ForwardStreamRequest(
        options=StreamOptions(connection="shop", validate_only=True)
    ).SerializeToString()
    async with channel_to(running.target) as channel:
        # mypy knows only the calls of generated stubs.
        first: Any = channel.stream_stream(method)
        open_one = first()
        await open_one.write(options)
        assert await open_one.read()

        refused = await ended(channel, method, options)
        assert refused.code == grpc.StatusCode.UNAVAILABLE
        assert refused.reason == "OVERLOADED"
        assert refused.retry_after == 1.0

        await open_one.done_writing()
        while await open_one.read() is not grpc.aio.EOF:
            pass
        assert await open_one.code() == grpc.StatusCode.OK
        after = await ended(channel, method, options)
        assert after.code == grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("remaining", "seconds"), [(None, 30.0), (3600.0, 60.0), (5.0, 4.9), (0.05, 0.0)]
)
def test_no_call_takes_for_ever(remaining: float | None, seconds: float) -> None:
    assert budget(remaining) == pytest.approx(seconds)


@pytest.mark.gate
async def test_who_connects_and_says_nothing_is_hung_up_on(start: Any) -> None:
    running = await start()
    began = time.monotonic()
    silent = [await Peer.connect(running.target, b"") for _ in range(10)]
    slow = await Peer.connect(running.target, PREFACE[:1])
    dripping = asyncio.create_task(_drip(slow))
    before = await running.client.forward(batch(purchase(1)), connection="shop")

    await asyncio.gather(*(peer.ended(30) for peer in (*silent, slow)))

    assert before.totals.delivered == 1
    assert time.monotonic() - began < 30
    dripping.cancel()
    with suppress(TokferryError):
        await running.client.describe_connection("shop")


@pytest.mark.gate
async def test_who_never_agrees_to_the_limits_is_hung_up_on(start: Any) -> None:
    running = await start()
    began = time.monotonic()
    peer = await Peer.connect(running.target)
    await peer.ended(30)
    assert 4 < time.monotonic() - began < 30


async def _drip(peer: Peer) -> None:
    for byte in PREFACE[1:]:
        await asyncio.sleep(1)
        peer.send(bytes([byte]))
