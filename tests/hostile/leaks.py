"""Callers of four kinds in great numbers, who should leave nothing behind."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from hostile import frames
from hostile.conftest import AUTHORIZED, FORWARDING, Service
from hostile.transforms import transforms
from tokferry.v1 import DescribeConnectionRequest, ForwardStreamRequest, StreamOptions

SIDE_BY_SIDE: Final = 8
STREAMS: Final = 8
ACK: Final = 1
OF_A_CONNECTION: Final = 1600
"""So few that what comes back fits into the window of the connection."""
AT_ONCE: Final = 50_000
SECONDS: Final = 60.0


def described(stream: int) -> bytes:
    """Give a short call."""
    fields = frames.call_headers(f"{FORWARDING}DescribeConnection", AUTHORIZED)
    request = DescribeConnectionRequest(connection="shop")
    return frames.call(stream, fields, frames.message(request.SerializeToString()))


def opened_stream(stream: int) -> bytes:
    """Give a stream with its options, which goes on."""
    fields = frames.call_headers(f"{FORWARDING}ForwardStream", AUTHORIZED)
    options = StreamOptions(connection="shop", validate_only=True)
    body = ForwardStreamRequest(options=options).SerializeToString()
    return frames.frame(
        frames.HEADERS, frames.END_HEADERS, stream, frames.encoded(fields)
    ) + frames.frame(frames.DATA, 0, stream, frames.message(body))


async def calls(service: Service, count: int) -> None:
    """Make unary calls over a few connections; all are answered with OK."""
    load, size = await transforms(
        service, connections=SIDE_BY_SIDE, streams=SIDE_BY_SIDE
    )
    for start in range(0, count, AT_ONCE):
        some = min(AT_ONCE, count - start)
        said = await load.run("-n", str(some))
        assert said.good(size) == some


async def cancelled_streams(service: Service, count: int) -> None:
    """Open streams, hear that they are open, and cancel them."""
    await side_by_side(service, -(-count // OF_A_CONNECTION), _cancelling)


async def _cancelling(port: int) -> None:
    """Do so on one connection; streams that the server resets itself do not count."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(frames.opened() + frames.frame(frames.SETTINGS, ACK, 0))
    rest, first, cancelled = b"", 1, 0
    async with asyncio.timeout(SECONDS):
        while cancelled < OF_A_CONNECTION:
            numbers = range(first, first + 2 * STREAMS, 2)
            first += 2 * STREAMS
            writer.write(b"".join(map(opened_stream, numbers)))
            opened, refused = set[int](), set[int]()
            while len(opened | refused) < STREAMS:
                rest += await reader.read(65536)
                for kind, flags, stream, payload in frames.frames_in(rest):
                    rest = rest[9 + len(payload) :]
                    assert kind != frames.GOAWAY, payload
                    if kind == frames.PING and not flags:
                        # Cancelled streams count until this is answered.
                        writer.write(frames.frame(frames.PING, ACK, 0, payload))
                    if kind == frames.DATA and stream in numbers:
                        opened.add(stream)
                    if kind == frames.RST_STREAM and stream in numbers:
                        refused.add(stream)
            cancelled += len(opened)
            writer.write(b"".join(map(cancelled_stream, opened)))
    writer.close()
    await writer.wait_closed()


def cancelled_stream(stream: int) -> bytes:
    """Give what cancels a stream."""
    return frames.frame(frames.RST_STREAM, 0, stream, b"\0\0\0\x08")


async def reconnects(service: Service, count: int) -> None:
    """Connect, call once and leave."""
    await side_by_side(service, count, _calling_once)


async def _calling_once(port: int) -> None:
    data, _ = await frames.said(port, frames.opened() + described(1), SECONDS, 1)
    assert frames.statuses(data) == [0]


async def aborts(service: Service, count: int) -> None:
    """Connect, begin a call and break off without a word."""
    await side_by_side(service, count, _breaking_off)


async def _breaking_off(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(frames.opened() + opened_stream(1) + described(3)[:-4])
    await asyncio.sleep(0.002)
    writer.transport.abort()


async def side_by_side(
    service: Service, count: int, one: Callable[[int], Awaitable[None]]
) -> None:
    """Do something so often, some at a time."""
    left = iter(range(count))

    async def some() -> None:
        for _ in left:
            await one(service.port)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(SIDE_BY_SIDE):
            tasks.create_task(some())


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of caller; ``share`` of all that there are in a run."""

    name: str
    make: Callable[[Service, int], Awaitable[None]]
    share: float


KINDS: Final = (
    Kind("unary calls", calls, 1.0),
    Kind("cancelled streams", cancelled_streams, 0.1),
    Kind("reconnects", reconnects, 0.01),
    Kind("broken off connections", aborts, 0.01),
)
