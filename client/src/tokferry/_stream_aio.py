"""Bulk delivery by the client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from tokferry._errors import TokferryError, error_from
from tokferry._stream import (
    LINGER_SECONDS,
    LOOK_SECONDS,
    ChunkAnswer,
    Plan,
    Stream,
)
from tokferry._stream_cut import Load, items_of
from tokferry.v1 import DeliveryMode, ForwardStreamResponse, ForwardTotals

Open = Callable[[], Any]
"""Opens a stream; gives gRPC's call."""

_ENDED = (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError)


class AsyncForwardStream:
    """The answers of a bulk delivery, in the order in which they come.

    Iterate it, to the end or in ``async with``. The source is read meanwhile, and no
    further than the window allows.
    """

    def __init__(self, open_call: Open, source: object, plan: Plan) -> None:
        self._items = _each(source)
        self._open = open_call
        self._stream = Stream(plan)
        self._room = asyncio.Event()
        self._to_send = asyncio.Event()
        self._answers = self._run()

    def __aiter__(self) -> AsyncIterator[ChunkAnswer]:
        """Give the stream itself."""
        return self

    async def __anext__(self) -> ChunkAnswer:
        """Wait for the next answer."""
        return await anext(self._answers)

    async def __aenter__(self) -> Self:
        """Give the stream itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give up what is not answered."""
        await self.close()

    async def close(self) -> None:
        """Give up what is not answered; events of it may have been delivered."""
        await self._answers.aclose()

    @property
    def totals(self) -> ForwardTotals:
        """The sum of the answers given so far."""
        return self._stream.totals

    @property
    def mode(self) -> DeliveryMode.ValueType:
        """The mode in force; unspecified before the first answer."""
        return self._stream.mode

    async def _run(self) -> AsyncGenerator[ChunkAnswer, None]:
        feeding = asyncio.create_task(self._feed())
        try:
            while True:
                self._stream.begin()
                call = _Call(self._open(), self._send)
                try:
                    look = self._stream.check_progress
                    while (response := await call.receive(look)) is not None:
                        answer = self._stream.take(response)
                        self._stir()
                        if answer is not None:
                            yield answer
                finally:
                    await call.close()
                delay = self._stream.ended_with(call.error)
                if delay is None:
                    break
                await asyncio.sleep(delay)
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
        if self._stream.failure is not None:
            raise self._stream.failure

    def _stir(self) -> None:
        """Let both tasks see what has changed."""
        self._room.set()
        self._to_send.set()

    async def _send(self, call: Any) -> None:
        await call.write(self._stream.options)
        while not self._stream.is_done:
            request = self._stream.flight.next_request()
            if request is None:
                self._to_send.clear()
                await self._to_send.wait()
            else:
                await call.write(request)
        await call.done_writing()

    async def _feed(self) -> None:
        """Read the source while the window has room, and end the stream with it."""
        timer: asyncio.TimerHandle | None = None
        failure: Exception | None = None
        loop = asyncio.get_running_loop()
        try:
            await self._until_room()
            async for item in self._items:
                loads = self._stream.cutter.add(item)
                if loads:
                    self._put(loads)
                    await asyncio.sleep(0)  # a source that never waits is no bully
                if timer is None or timer.when() <= loop.time():
                    timer = loop.call_later(LINGER_SECONDS, self._flush)
                await self._until_room()
        except Exception as error:  # noqa: BLE001  raised when the rest is answered
            failure = error
        if timer is not None:
            timer.cancel()
        self._stream.end(failure)
        self._to_send.set()

    async def _until_room(self) -> None:
        while not self._stream.flight.has_room:
            self._room.clear()
            await self._room.wait()

    def _put(self, loads: list[Load]) -> None:
        self._stream.add(loads)
        self._to_send.set()

    def _flush(self) -> None:
        self._put(self._stream.cutter.flush())


class _Call:
    """One stream: a task that sends, and one that reads.

    Answers are read at once, whoever waits for them: gRPC throws away what is not read
    when a stream ends by an error. The window bounds how many there are.
    """

    def __init__(self, call: Any, send: Callable[[Any], Any]) -> None:
        self.error: TokferryError | None = None
        self._failure: BaseException | None = None
        self._call = call
        self._responses: asyncio.Queue[ForwardStreamResponse | None] = asyncio.Queue()
        self._sending = asyncio.ensure_future(send(call))
        self._sending.add_done_callback(self._check)
        self._reading = asyncio.ensure_future(self._read())
        self._reading.add_done_callback(self._check)

    async def receive(self, look: Callable[[], None]) -> ForwardStreamResponse | None:
        """Give the next response, or None at the end; ``look`` is called at times."""
        while True:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    response = await self._responses.get()
            except TimeoutError:
                look()
                continue
            if self._failure is not None:
                raise self._failure
            return response

    async def close(self) -> None:
        """End the call, if it has not ended, and both tasks."""
        self._call.cancel()
        self._sending.cancel()
        await asyncio.gather(self._sending, self._reading, return_exceptions=True)

    async def _read(self) -> None:
        try:
            # By iteration: read() forgets what has come once the status is known.
            async for response in self._call:
                self._responses.put_nowait(response)
        except grpc.aio.AioRpcError as error:
            self.error = error_from(
                error.code(), error.details(), error.trailing_metadata()
            )
        except asyncio.CancelledError:
            # gRPC's word for a channel that was closed: this task is never cancelled.
            text = "the client was closed"
            self.error = error_from(grpc.StatusCode.CANCELLED, text, None)
        self._responses.put_nowait(None)

    def _check(self, task: asyncio.Future[None]) -> None:
        """Let the reader know what no task may hide."""
        error = None if task.cancelled() else task.exception()
        # How a call ended is told by the reading, with all there is to know.
        if error is not None and not isinstance(error, _ENDED):
            self._failure = error
            self._responses.put_nowait(None)


def _each(source: object) -> AsyncIterator[Any]:
    items = items_of(source)
    if items is not None:
        return _all(items)
    if isinstance(source, AsyncIterable):
        return aiter(source)
    raise TypeError(f"source: {type(source).__name__} does not hold batches")


async def _all(items: Any) -> AsyncIterator[Any]:
    for item in items:
        yield item
