"""ForwardStream: chunks in, answers out as they are ready, in a bounded window."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import NamedTuple

import grpc
from google.protobuf.duration_pb2 import Duration

from tokferry.v1 import (
    Chunk,
    ChunkResult,
    DeliveryMode,
    ErrorReason,
    EventResult,
    ForwardStreamRequest,
    ForwardStreamResponse,
    ForwardTotals,
    StreamDraining,
    StreamOpened,
    StreamTotals,
)
from tokferry_server.mparticle.model import Batch, Malformed
from tokferry_server.rpc import forwarding, limits
from tokferry_server.rpc.dispatch import FULL_RETRY_SECONDS, Dispatch, Errand
from tokferry_server.rpc.errors import CallError, Violation, invalid
from tokferry_server.rpc.read_request import read_chunk
from tokferry_server.rpc.request_memory import RequestMemory

WINDOW_CHUNKS = 64
WINDOW_BYTES = 8 * 1024 * 1024
UNWRITTEN_ANSWERS = 2
"""With so many, a stream is read no further: its caller does not read."""
IDLE_SECONDS = 300.0
FULL_SECONDS = 300.0
"""How long a stream is held back by a full outbox before it ends."""
RETRY_SECONDS = 1.0

Requests = AsyncIterator[ForwardStreamRequest]


class ChunkStream:
    """One stream; it reads no further while its window is full.

    A chunk leaves the window when its answer is written: a caller that reads no answers
    is read no further. ``memory`` is what all streams share while they work.
    """

    def __init__(
        self, dispatch: Dispatch, draining: asyncio.Event, memory: RequestMemory
    ) -> None:
        self._dispatch = dispatch
        self._draining = draining
        self._memory = memory
        self._window = _Window()
        self._answers: asyncio.Queue[_Answer | None] = asyncio.Queue()
        self._totals = ForwardTotals()
        self._chunks = 0
        self._last_sequence = 0
        self._error: CallError | None = None

    async def run(self, requests: Requests) -> AsyncIterator[ForwardStreamResponse]:
        """Yield the stream's answers: opened, chunks in any order, totals.

        Raises:
            CallError: the stream is wrong, idle, or the server stops.
        """
        errand = await self._open(requests)
        yield ForwardStreamResponse(
            opened=StreamOpened(
                mode=errand.mode,
                window_chunks=WINDOW_CHUNKS,
                window_bytes=WINDOW_BYTES,
            )
        )
        reading = asyncio.create_task(self._read(requests, errand))
        reading.add_done_callback(lambda _: self._answers.put_nowait(None))
        try:
            while (answer := await self._answers.get()) is not None:
                yield answer.response
                if answer.size is not None:
                    self._window.written(answer.size)
            reading.result()
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, CallError):
                await reading
        totals = StreamTotals(totals=self._totals, chunks=self._chunks)
        yield ForwardStreamResponse(totals=totals)

    async def _open(self, requests: Requests) -> Errand:
        first = await _next(requests)
        if first is None or first.WhichOneof("request") != "options":
            raise _protocol("the first message holds 'options'")
        options = first.options
        default = (
            DeliveryMode.DELIVERY_MODE_DURABLE
            if self._dispatch.has_outbox
            else DeliveryMode.DELIVERY_MODE_SYNC
        )
        coded = options.HasField("test_event_code")
        errand = Errand(
            connection=options.connection,
            mode=self._dispatch.mode(options.mode, default),
            test_event_code=options.test_event_code if coded else None,
            validate_only=options.validate_only,
            label=options.label,
        )
        self._dispatch.check(errand)
        return errand

    async def _read(self, requests: Requests, errand: Errand) -> None:
        """Read chunks until the client ends or the server drains; await their ends.

        After an error no more chunks are read, but those under way are answered.
        """
        work: set[asyncio.Task[None]] = set()
        try:
            while self._error is None:
                await self._window.room()
                await self._memory.room()
                request = await self._next_or_drain(requests)
                if request is None:
                    break
                chunk = self._checked(request)
                size = request.ByteSize()
                self._window.take(size)
                await self._memory.take(size)
                task = asyncio.create_task(self._work(chunk, errand, size))
                work.add(task)
                task.add_done_callback(work.discard)
                task.add_done_callback(partial(self._worked, size))
        except CallError as error:
            self._error = self._error or error
        except asyncio.CancelledError:
            for task in work:
                task.cancel()
            raise
        await asyncio.gather(*work)
        if self._error is not None:
            raise self._error
        if self._draining.is_set():
            raise _stopping()

    async def _next_or_drain(self, requests: Requests) -> ForwardStreamRequest | None:
        """Give the next message; ``None`` at the client's end or when draining."""
        reading = asyncio.ensure_future(_next(requests))
        draining = asyncio.ensure_future(self._draining.wait())
        try:
            await asyncio.wait(
                (reading, draining),
                timeout=IDLE_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if reading.done():
                return reading.result()
            if draining.done():
                self._say_draining()
                return None
        finally:
            reading.cancel()
            draining.cancel()
        if self._window.is_empty:
            raise CallError(
                code=grpc.StatusCode.UNAVAILABLE,
                reason=ErrorReason.ERROR_REASON_STREAM_IDLE,
                message=f"no chunk for {IDLE_SECONDS:.0f} s; open a new stream",
            )
        return await self._next_or_drain(requests)

    def _say_draining(self) -> None:
        delay = Duration()
        delay.FromMilliseconds(round(RETRY_SECONDS * 1000))
        response = ForwardStreamResponse(
            draining=StreamDraining(
                last_sequence=self._last_sequence, retry_delay=delay
            )
        )
        self._answers.put_nowait(_Answer(response))

    def _checked(self, request: ForwardStreamRequest) -> Chunk:
        if request.WhichOneof("request") != "chunk":
            raise _protocol("'options' comes once; every later message holds a 'chunk'")
        chunk = request.chunk
        if chunk.sequence <= self._last_sequence:
            raise _protocol(
                f"chunk.sequence must grow: {chunk.sequence} after "
                f"{self._last_sequence}"
            )
        if request.ByteSize() > limits.CHUNK_BYTES:
            raise CallError(
                code=grpc.StatusCode.INVALID_ARGUMENT,
                reason=ErrorReason.ERROR_REASON_REQUEST_TOO_LARGE,
                message=f"chunk {chunk.sequence} has {request.ByteSize()} bytes; "
                f"send at most {limits.CHUNK_BYTES}",
                metadata={"limit": str(limits.CHUNK_BYTES)},
            )
        self._last_sequence = chunk.sequence
        return chunk

    async def _work(self, chunk: Chunk, errand: Errand, size: int) -> None:
        try:
            batches = read_chunk(chunk)
            limits.check_event_count(batches, limits.FORWARD_EVENTS)
            results = await self._run(batches, errand, chunk.sequence)
        except CallError as error:
            self._error = self._error or error
            self._window.give_back(size)
        else:
            self._answer(chunk.sequence, results, size)

    def _worked(self, size: int, _: "asyncio.Task[None]") -> None:
        self._memory.give_back(size)

    async def _run(
        self, batches: list[Batch | Malformed], errand: Errand, sequence: int
    ) -> list[EventResult]:
        """Run the chunk; a full outbox holds the stream back for a while first."""
        now = time.monotonic()
        deadline, full_until = now + limits.MAX_DEADLINE_SECONDS, now + FULL_SECONDS
        while True:
            try:
                return await self._dispatch.run(
                    batches, errand, deadline=deadline, sequence=sequence
                )
            except CallError as error:
                full = error.reason == ErrorReason.ERROR_REASON_OUTBOX_FULL
                if not full or time.monotonic() > full_until:
                    raise
                await asyncio.sleep(FULL_RETRY_SECONDS / 5)

    def _answer(self, sequence: int, results: list[EventResult], size: int) -> None:
        totals = forwarding.totals(results)
        forwarding.add_totals(self._totals, totals)
        self._chunks += 1
        response = ForwardStreamResponse(
            chunk=ChunkResult(sequence=sequence, results=results, totals=totals)
        )
        self._window.answer()
        self._answers.put_nowait(_Answer(response, size))


class _Answer(NamedTuple):
    """A message to write; ``size`` is that of the chunk it answers, if it does."""

    response: ForwardStreamResponse
    size: int | None = None


class _Window:
    """How much is read and not yet answered, and how many answers nobody reads."""

    def __init__(self) -> None:
        self._chunks = 0
        self._bytes = 0
        self._unwritten = 0
        self._room = asyncio.Event()
        self._room.set()

    @property
    def is_empty(self) -> bool:
        return self._chunks == 0

    async def room(self) -> None:
        await self._room.wait()

    def take(self, size: int) -> None:
        self._chunks += 1
        self._bytes += size
        self._update()

    def answer(self) -> None:
        self._unwritten += 1
        self._update()

    def written(self, size: int) -> None:
        self._unwritten -= 1
        self.give_back(size)

    def give_back(self, size: int) -> None:
        self._chunks -= 1
        self._bytes -= size
        self._update()

    def _update(self) -> None:
        full = self._chunks >= WINDOW_CHUNKS or self._bytes >= WINDOW_BYTES
        if full or self._unwritten >= UNWRITTEN_ANSWERS:
            self._room.clear()
        else:
            self._room.set()


async def _next(requests: Requests) -> ForwardStreamRequest | None:
    return await anext(aiter(requests), None)


def _stopping() -> CallError:
    return CallError(
        code=grpc.StatusCode.UNAVAILABLE,
        reason=ErrorReason.ERROR_REASON_DRAINING,
        message="the server is stopping; send chunks without an answer again",
        retry_after=RETRY_SECONDS,
    )


def _protocol(text: str) -> CallError:
    return invalid(
        ErrorReason.ERROR_REASON_STREAM_PROTOCOL, [Violation("request", text)]
    )
