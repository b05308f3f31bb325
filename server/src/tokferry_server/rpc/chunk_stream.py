"""ForwardStream: chunks in, answers out as they are ready, in a bounded window."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import NamedTuple

import grpc
from google.protobuf.duration_pb2 import Duration

from tokferry.v1 import (
    Chunk,
    DeliveryMode,
    ErrorReason,
    ForwardStreamRequest,
    ForwardStreamResponse,
    ForwardTotals,
    StreamDraining,
    StreamOpened,
    StreamTotals,
)
from tokferry_server.rpc import forwarding, limits
from tokferry_server.rpc.caller import calling
from tokferry_server.rpc.dispatch import Dispatch, Errand
from tokferry_server.rpc.errors import CallError, Violation, invalid
from tokferry_server.rpc.forwarding import Prepared
from tokferry_server.rpc.outbox_line import OutboxLine
from tokferry_server.rpc.read_request import read_chunk
from tokferry_server.rpc.request_memory import RequestMemory, Share
from tokferry_server.rpc.stream_window import (
    WINDOW_BYTES,
    WINDOW_CHUNKS,
    StreamWindow,
)

IDLE_SECONDS = 300.0
RETRY_SECONDS = 1.0

Requests = AsyncIterator[ForwardStreamRequest]
Response = ForwardStreamResponse | bytes
"""A message, or one that is written as bytes already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all streams of a server share.

    ``mapping``: one chunk is mapped at a time, as more would hold more memory and be no
    faster.
    """

    dispatch: Dispatch
    draining: asyncio.Event
    memory: RequestMemory = field(default_factory=RequestMemory)
    mapping: asyncio.Lock = field(default_factory=asyncio.Lock)
    line: OutboxLine = field(default_factory=OutboxLine)


class ChunkStream:
    """One stream; it reads no further while its window, or the server's, is full."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._window = StreamWindow()
        self._answers: asyncio.Queue[_Answer | None] = asyncio.Queue()
        self._totals = ForwardTotals()
        self._chunks = 0
        self._last_sequence = 0
        self._usual_size = limits.CHUNK_BYTES
        self._error: Exception | None = None
        self._failed = asyncio.Event()

    async def run(self, requests: Requests) -> AsyncIterator[Response]:
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
        answering = asyncio.create_task(self._answer_all(requests, errand))
        answering.add_done_callback(lambda _: self._answers.put_nowait(None))
        try:
            while (answer := await self._answers.get()) is not None:
                yield answer.response
                if answer.size is not None:
                    self._window.written(answer.size)
            answering.result()
        finally:
            answering.cancel()
            with contextlib.suppress(asyncio.CancelledError, CallError):
                await answering
        totals = StreamTotals(totals=self._totals, chunks=self._chunks)
        yield ForwardStreamResponse(totals=totals)

    async def _open(self, requests: Requests) -> Errand:
        first = await _message(requests)
        if first is None or first.WhichOneof("request") != "options":
            raise _protocol("the first message holds 'options'")
        options = first.options
        dispatch = self._shared.dispatch
        default = (
            DeliveryMode.DELIVERY_MODE_DURABLE
            if dispatch.has_outbox
            else DeliveryMode.DELIVERY_MODE_SYNC
        )
        coded = options.HasField("test_event_code")
        errand = Errand(
            connection=options.connection,
            mode=dispatch.mode(options.mode, default),
            test_event_code=options.test_event_code if coded else None,
            validate_only=options.validate_only,
            label=options.label,
        )
        dispatch.check(errand)
        return errand

    async def _answer_all(self, requests: Requests, errand: Errand) -> None:
        """Read until the client ends, an error, or the server drains; then finish.

        Chunks under way are answered even so.
        """
        work: set[asyncio.Task[None]] = set()
        reading = asyncio.create_task(self._read(requests, errand, work))
        draining = asyncio.create_task(self._shared.draining.wait())
        failing = asyncio.create_task(self._failed.wait())
        begun = (reading, draining, failing)
        try:
            await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
            if draining.done() and not reading.done():
                self._say_draining()
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(reading)
            await asyncio.gather(*work)
        finally:
            for task in (*begun, *work):
                task.cancel()
        if self._error is not None:
            raise self._error
        if self._shared.draining.is_set():
            raise _stopping()

    async def _read(
        self, requests: Requests, errand: Errand, work: set["asyncio.Task[None]"]
    ) -> None:
        """Read chunks until the client ends, as far as there is room for them."""
        try:
            while (read := await self._read_chunk(requests)) is not None:
                task = asyncio.create_task(self._work(read, errand))
                del read  # the task lets go of it as soon as it can
                work.add(task)
                task.add_done_callback(work.discard)
        except CallError as error:
            self._fail(error)

    async def _read_chunk(self, requests: Requests) -> "_Read | None":
        await self._window.room()
        await calling.get().quota.paid()
        share = await self._shared.memory.reserve(self._usual_size)
        try:
            request = await self._next(requests)
            if request is None:
                share.give_back()
                return None
            size = self._usual_size = request.ByteSize()
            chunk = self._checked(request, size)
        except BaseException:
            share.give_back()
            raise
        share.settle(size)
        self._window.take(size)
        return _Read([chunk], chunk.sequence, size, share)

    async def _next(self, requests: Requests) -> ForwardStreamRequest | None:
        """Give the next message; ``None`` when the client has ended the stream.

        Raises:
            CallError: none came for long, and none is being answered.
        """
        reading = asyncio.ensure_future(_message(requests))
        try:
            while not (await asyncio.wait((reading,), timeout=IDLE_SECONDS))[0]:
                if self._window.is_empty:
                    raise CallError(
                        code=grpc.StatusCode.UNAVAILABLE,
                        reason=ErrorReason.ERROR_REASON_STREAM_IDLE,
                        message=f"no chunk for {IDLE_SECONDS:.0f} s; open a new stream",
                    )
            return reading.result()
        finally:
            reading.cancel()

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._failed.set()

    def _say_draining(self) -> None:
        delay = Duration()
        delay.FromMilliseconds(round(RETRY_SECONDS * 1000))
        response = ForwardStreamResponse(
            draining=StreamDraining(
                last_sequence=self._last_sequence, retry_delay=delay
            )
        )
        self._answers.put_nowait(_Answer(response))

    def _checked(self, request: ForwardStreamRequest, size: int) -> Chunk:
        if request.WhichOneof("request") != "chunk":
            raise _protocol("'options' comes once; every later message holds a 'chunk'")
        chunk = request.chunk
        if chunk.sequence <= self._last_sequence:
            raise _protocol(
                f"chunk.sequence must grow: {chunk.sequence} after "
                f"{self._last_sequence}"
            )
        if size > limits.CHUNK_BYTES:
            raise CallError(
                code=grpc.StatusCode.INVALID_ARGUMENT,
                reason=ErrorReason.ERROR_REASON_REQUEST_TOO_LARGE,
                message=f"chunk {chunk.sequence} has {size} bytes; "
                f"send at most {limits.CHUNK_BYTES}",
                metadata={"limit": str(limits.CHUNK_BYTES)},
            )
        self._last_sequence = chunk.sequence
        return chunk

    async def _work(self, read: "_Read", errand: Errand) -> None:
        try:
            prepared = await self._prepare(read, errand)
            response = await self._deliver(prepared, errand, read.sequence)
        except Exception as error:  # noqa: BLE001  the stream ends with it
            self._fail(error)
            self._window.give_back(read.size)
        else:
            forwarding.add_totals(self._totals, response.chunk.totals)
            self._chunks += 1
            self._window.answer()
            self._answers.put_nowait(_Answer(response.SerializeToString(), read.size))
        finally:
            read.share.give_back()

    async def _prepare(self, read: "_Read", errand: Errand) -> list[Prepared]:
        async with self._shared.mapping:
            wanted = self._shared.dispatch.wanted(errand)
            batches = read_chunk(read.chunk.pop(), wanted)
            events = limits.check_event_count(batches, limits.FORWARD_EVENTS)
            calling.get().quota.charge(events)
            return await self._shared.dispatch.prepare(batches, errand)

    async def _deliver(
        self, prepared: list[Prepared], errand: Errand, sequence: int
    ) -> ForwardStreamResponse:
        response = ForwardStreamResponse()
        response.chunk.sequence = sequence

        async def deliver() -> None:
            await self._shared.dispatch.deliver(
                prepared,
                errand,
                response.chunk,
                deadline=time.monotonic() + limits.MAX_DEADLINE_SECONDS,
                sequence=sequence,
            )

        if errand.mode == DeliveryMode.DELIVERY_MODE_DURABLE:
            await self._shared.line.store(
                errand.connection, deliver, self._shared.draining.is_set
            )
        else:
            await deliver()
        return response


class _Read(NamedTuple):
    """A chunk that was read; whoever takes it out of its list lets go of its bytes."""

    chunk: list[Chunk]
    sequence: int
    size: int
    share: Share


class _Answer(NamedTuple):
    """A message to write; ``size`` is that of the chunk it answers, if it does.

    Answers to chunks are bytes already: of a caller who does not read, many wait, and
    as messages they take four times as much.
    """

    response: Response
    size: int | None = None


async def _message(requests: Requests) -> ForwardStreamRequest | None:
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
