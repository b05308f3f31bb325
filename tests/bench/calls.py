"""Calls a server as fast as some callers can, with messages that are ready as bytes."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, takewhile
from typing import Any, Final

import grpc

CHANNELS: Final = 8
"""A connection carries 32 calls at a time."""


@dataclass(frozen=True, slots=True)
class Called:
    """How long each call took and all of them together, in seconds."""

    seconds: float
    latencies: list[float]

    def percentile(self, share: float) -> float:
        """Give a latency that this share of the calls did not exceed, in seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@contextlib.asynccontextmanager
async def channels(address: str) -> AsyncIterator[list[grpc.aio.Channel]]:
    """Open several connections to one server."""
    options = (
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_receive_message_length", 64 * 2**20),
    )
    opened = [grpc.aio.insecure_channel(address, options) for _ in range(CHANNELS)]
    try:
        yield opened
    finally:
        await asyncio.gather(*(channel.close() for channel in opened))


async def unary(
    opened: Sequence[grpc.aio.Channel],
    path: str,
    messages: Sequence[bytes],
    *,
    seconds: float,
    callers: int,
) -> Called:
    """Call for so long, each caller one after the other; messages come in turns."""
    waiting = until(seconds, cycle(messages))
    latencies: list[float] = []

    async def caller(channel: grpc.aio.Channel) -> None:
        # mypy knows only the calls of generated stubs, here and below.
        call: Any = channel.unary_unary(path)
        for message in waiting:
            start = time.perf_counter()
            await call(message)
            latencies.append(time.perf_counter() - start)

    start = time.perf_counter()
    turns = (opened[number % len(opened)] for number in range(callers))
    await asyncio.gather(*(caller(channel) for channel in turns))
    return Called(time.perf_counter() - start, latencies)


def until(seconds: float, messages: Iterator[bytes]) -> Iterator[bytes]:
    """Give messages for so long from now on."""
    end = time.perf_counter() + seconds
    return takewhile(lambda _: time.perf_counter() < end, messages)


@dataclass(slots=True)
class Stream:
    """One stream: messages out in a window, an answer for each one back."""

    window: int = 16
    sent: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    async def run(
        self,
        channel: grpc.aio.Channel,
        path: str,
        *,
        options: bytes | None,
        messages: Iterator[bytes],
    ) -> Called:
        """Send all messages and wait for the end of the stream.

        With ``options`` they go first, and the first answer and the last one are not
        those of a message.
        """
        room = asyncio.Semaphore(self.window)
        start = time.perf_counter()

        async def requests() -> AsyncIterator[bytes]:
            if options is not None:
                yield options
            for message in messages:
                await room.acquire()
                self.sent.append(time.perf_counter())
                yield message

        skipped = 0 if options is None else 1
        call: Any = channel.stream_stream(path)
        async for _ in call(requests()):
            if skipped:
                skipped -= 1
            elif len(self.latencies) < len(self.sent):
                began = self.sent[len(self.latencies)]
                self.latencies.append(time.perf_counter() - began)
                room.release()
        return Called(time.perf_counter() - start, self.latencies)
