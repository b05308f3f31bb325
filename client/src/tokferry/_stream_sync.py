"""Bulk delivery by the client that blocks."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import Any, Self

import grpc

from tokferry._errors import TokferryError, error_from
from tokferry._stream import (
    LINGER_SECONDS,
    LOOK_SECONDS,
    ChunkAnswer,
    Plan,
    Stream,
)
from tokferry._stream_cut import items_of
from tokferry.v1 import (
    DeliveryMode,
    ForwardStreamRequest,
    ForwardStreamResponse,
    ForwardTotals,
)

Open = Callable[[Iterator[ForwardStreamRequest]], Any]
"""Opens a stream that sends these messages; gives gRPC's call."""

_NOTHING = object()


class ForwardStream:
    """The answers of a bulk delivery, in the order in which they come.

    Iterate it. The source is read in the same thread, between answers, and no further
    than the window allows.
    """

    def __init__(self, open_call: Open, source: object, plan: Plan) -> None:
        items = items_of(source)
        if items is None:
            raise TypeError(f"source: {type(source).__name__} does not hold batches")
        self._open = open_call
        self._items: Iterator[Any] = iter(items)
        self._stream = Stream(plan)
        self._partial_since = 0.0
        self._answers = self._run()

    def __iter__(self) -> Iterator[ChunkAnswer]:
        """Give the stream itself."""
        return self

    def __next__(self) -> ChunkAnswer:
        """Wait for the next answer."""
        return next(self._answers)

    def __enter__(self) -> Self:
        """Give the stream itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give up what is not answered."""
        self.close()

    def close(self) -> None:
        """Give up what is not answered; events of it may have been delivered."""
        self._answers.close()

    @property
    def totals(self) -> ForwardTotals:
        """The sum of the answers given so far."""
        return self._stream.totals

    @property
    def mode(self) -> DeliveryMode.ValueType:
        """The mode in force; unspecified before the first answer."""
        return self._stream.mode

    def _run(self) -> Generator[ChunkAnswer, None, None]:
        while True:
            self._stream.begin()
            call = _Call(self._open, self._stream.options)
            try:
                while (response := self._step(call)) is not None:
                    answer = self._stream.take(response)
                    if answer is not None:
                        yield answer
            finally:
                call.close()
            delay = self._stream.ended_with(call.error)
            if delay is None:
                break
            time.sleep(delay)
        if self._stream.failure is not None:
            raise self._stream.failure

    def _step(self, call: _Call) -> ForwardStreamResponse | None:
        """Send and read until there is a response; None when the stream has ended."""
        flight = self._stream.flight
        while True:
            while (request := flight.next_request()) is not None:
                call.send(request)
            if self._stream.is_done:
                call.half_close()
            reads = flight.has_room and not self._stream.ended
            response = call.receive(0 if reads else LOOK_SECONDS)
            if response is not _NOTHING:
                return response  # type: ignore[no-any-return]  # the queue holds any
            if reads:
                self._read_one()
            self._stream.check_progress()

    def _read_one(self) -> None:
        """Take one batch from the source."""
        stream, now = self._stream, time.monotonic()
        try:
            item = next(self._items)
            fresh = stream.cutter.is_empty
            stream.add(stream.cutter.add(item))
        except StopIteration:
            stream.end()
        except Exception as error:  # noqa: BLE001  raised when the rest is answered
            stream.end(error)
        else:
            now = time.monotonic()
            if fresh:
                self._partial_since = now
            elif now - self._partial_since > LINGER_SECONDS:
                stream.add(stream.cutter.flush())


class _Call:
    """One stream: what is to be sent goes to gRPC's thread, what comes to a queue."""

    def __init__(self, open_call: Open, options: ForwardStreamRequest) -> None:
        self.error: TokferryError | None = None
        self._requests: queue.SimpleQueue[ForwardStreamRequest | None]
        self._requests = queue.SimpleQueue()
        self._responses: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._requests.put(options)
        self._call = open_call(iter(self._requests.get, None))
        threading.Thread(
            target=self._receive, name="tokferry-stream", daemon=True
        ).start()

    def send(self, request: ForwardStreamRequest) -> None:
        self._requests.put(request)

    def half_close(self) -> None:
        self._requests.put(None)

    def receive(self, seconds: float) -> Any:
        """Give the next response, None at the end, or ``_NOTHING`` if none came."""
        try:
            response = self._responses.get(timeout=seconds)
        except queue.Empty:
            return _NOTHING
        if isinstance(response, grpc.RpcError):
            if not isinstance(response, grpc.Call):
                raise response
            self.error = error_from(
                response.code(), response.details(), response.trailing_metadata()
            )
            return None
        return response

    def close(self) -> None:
        self._call.cancel()
        self._requests.put(None)

    def _receive(self) -> None:
        try:
            for response in self._call:
                self._responses.put(response)
            self._responses.put(None)
        except grpc.RpcError as error:
            self._responses.put(error)
