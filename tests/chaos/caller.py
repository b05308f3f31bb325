"""A caller that streams numbered events and sends again whatever was not answered."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Final

import grpc

from chaos.events import chunk_json
from chaos.history import Answered, End, Fail, Invoke, Log, Ok, Unknown
from chaos.processes import CONNECTION
from tokferry.v1 import (
    Chunk,
    ChunkResult,
    EventResult,
    ForwardStreamRequest,
    ForwardStreamResponse,
    ForwardTotals,
    StreamOptions,
)
from tokferry.v1.forwarding_service_pb2_grpc import ForwardingServiceStub

_REFUSALS: Final = frozenset(
    {
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.INVALID_ARGUMENT,
    }
)
CLIENT_SIDE: Final = "Internal error from Core"
"""What grpcio's own client says when a stream ends while it writes."""
_AGAIN_S: Final = 0.05
_MAX_MESSAGE: Final = 4 * 2**20


@dataclass(slots=True)
class Work:
    """What is to be sent: ``events`` numbers, ``size`` of them a chunk.

    ``allowed`` chunks may be begun by now. ``todo`` are to be sent again. ``pad``:
    bytes that each event has more, of which the mapping makes nothing.
    """

    events: int
    size: int
    allowed: int
    pad: int = 0
    streams: int = 0
    begun: int = 0
    done: int = 0
    todo: list[int] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def chunks(self) -> int:
        """How many chunks there are."""
        return -(-self.events // self.size)

    def allow(self, chunks: int) -> None:
        """Let so many more chunks begin."""
        self.allowed = min(self.chunks, self.begun + chunks)
        self.changed.set()

    def close(self) -> None:
        """Let no more chunks begin: what has begun is all there is."""
        self.events = min(self.events, self.begun * self.size)
        self.allowed = self.begun
        self.changed.set()

    async def take(self) -> int | None:
        """Wait for a chunk to send; ``None`` when all are answered."""
        while True:
            if self.todo:
                return self.todo.pop()
            if self.begun < self.allowed:
                self.begun += 1
                return self.begun - 1
            if self.done == self.chunks:
                return None
            self.changed.clear()
            await self.changed.wait()

    def range_of(self, chunk: int) -> tuple[int, int]:
        """Give the first event of a chunk, and how many it has."""
        first = chunk * self.size
        return first, min(self.size, self.events - first)


class Caller:
    """Streams all of the work on one connection, over as many streams as it takes.

    ``errors`` are those with which streams broke.
    """

    def __init__(self, target: str, work: Work, log: Log) -> None:
        self._target = target
        self._work = work
        self._log = log
        self.errors: list[grpc.aio.AioRpcError] = []

    @property
    def statuses(self) -> list[tuple[str, str]]:
        """Give the statuses with which streams broke, with their texts."""
        return [(error.code().name, error.details() or "") for error in self.errors]

    async def run(self, *, streams: int = 1) -> None:
        """Send until every chunk is answered, on so many streams at a time."""
        options = [
            ("grpc.max_receive_message_length", _MAX_MESSAGE),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 100),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        async with (
            grpc.aio.insecure_channel(self._target, options=options) as channel,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(streams):
                group.create_task(self._stream(channel))

    async def _stream(self, channel: grpc.aio.Channel) -> None:
        while self._work.done < self._work.chunks:
            self._work.streams += 1
            stream = _Stream(self._work.streams, self._work, self._log)
            error = await stream.run(channel)
            if error is not None:
                self.errors.append(error)
            await asyncio.sleep(_AGAIN_S)


class _Stream:
    """One stream, until it ends or breaks."""

    def __init__(self, number: int, work: Work, log: Log) -> None:
        self._number = number
        self._work = work
        self._log = log
        self._open: dict[int, int] = {}
        self._over = False

    async def run(self, channel: grpc.aio.Channel) -> grpc.aio.AioRpcError | None:
        """Send what there is; gives the error if the stream broke."""
        call = ForwardingServiceStub(channel).ForwardStream(
            self._requests(), wait_for_ready=True
        )
        broken = None
        kind: type[Fail | Unknown] = Unknown
        try:
            async for response in call:
                self._read(response)
        except grpc.aio.AioRpcError as error:
            broken = error
            kind = Fail if error.code() in _REFUSALS else Unknown
        self._over = True
        for sequence, chunk in self._open.items():
            code = "OK" if broken is None else broken.code().name
            self._log.write(kind(self._number, sequence, code))
            self._give_back(chunk)
        return broken

    async def _requests(self) -> AsyncIterator[ForwardStreamRequest]:
        yield ForwardStreamRequest(options=StreamOptions(connection=CONNECTION))
        sequence = 0
        while (chunk := await self._work.take()) is not None:
            if self._over:
                self._give_back(chunk)
                return
            sequence += 1
            first, count = self._work.range_of(chunk)
            self._open[sequence] = chunk
            self._log.write(Invoke(self._number, sequence, first, count))
            yield ForwardStreamRequest(
                chunk=Chunk(
                    sequence=sequence, json=chunk_json(first, count, self._work.pad)
                )
            )

    def _give_back(self, chunk: int) -> None:
        self._work.todo.append(chunk)
        self._work.changed.set()

    def _read(self, response: ForwardStreamResponse) -> None:
        match response.WhichOneof("response"):
            case "chunk":
                self._answered(response.chunk)
            case "totals":
                totals = response.totals
                self._log.write(End(self._number, totals.chunks, sums(totals.totals)))

    def _answered(self, result: ChunkResult) -> None:
        results = answered(result.results)
        self._log.write(Ok(self._number, result.sequence, results, sums(result.totals)))
        if self._open.pop(result.sequence, None) is not None:
            self._work.done += 1
            self._work.changed.set()


def answered(results: Iterable[EventResult]) -> list[Answered]:
    """Give what a history keeps of the results of events."""
    return [
        Answered(
            one.outcome,
            one.deliveries[0].event_id if one.deliveries else "",
            any(each.duplicate for each in one.deliveries),
        )
        for one in results
    ]


def sums(totals: ForwardTotals) -> dict[str, int]:
    """Give the sums of a reply, by outcome."""
    return {name.name: count for name, count in totals.ListFields()}
