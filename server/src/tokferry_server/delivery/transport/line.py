"""One connection that speaks HTTP/1.1, one request at a time, by h11."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, cast

import h11
import httpx

_MAX_HEAD: Final = 65_536
_CHUNK: Final = 262_144  # TLS tells only between writes that the peer is not reading
_Event = h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]


class Line(asyncio.Protocol):
    """An open connection. After an exception it is of no more use, but to ``abort``."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
        self._waiter: asyncio.Future[None] | None = None
        self._reading = self._full = self._held = self._over = False
        self._error: Exception | None = None

    @property
    def usable(self) -> bool:
        """Whether it is open and idle, and nothing has come that was not asked for."""
        idle = self._http.our_state is h11.IDLE
        return idle and not self._over and not self._http.trailing_data[0]

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    async def send(self, request: httpx.Request, limit: float | None) -> None:
        """Send a request with a body that is in memory.

        Raises:
            httpx.LocalProtocolError: it is not fit to be sent, so nothing was.
            httpx.WriteTimeout: a part of it did not leave within ``limit`` seconds.
            httpx.WriteError: the connection broke.
        """
        head, body = self._encode(request)
        for start in range(0, len(body), _CHUNK):
            chunk = body[start : start + _CHUNK]
            self._transport.writelines([chunk] if start else [head, chunk])
            while self._full and not self._over:
                await self._wait(limit, httpx.WriteTimeout)
            if self._over:
                raise httpx.WriteError("the connection broke") from self._error

    def _encode(self, request: httpx.Request) -> tuple[bytes, memoryview]:
        head = h11.Request(
            method=request.method,
            target=request.url.raw_path,
            headers=request.headers.raw,
        )
        events = head, h11.Data(data=request.content), h11.EndOfMessage()
        try:
            parts = [self._http.send(event) or b"" for event in events]
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError("not fit for HTTP/1.1") from error
        return parts[0], memoryview(parts[1])

    async def receive(self, limit: float | None) -> h11.Response:
        """Wait for the head of the answer, each time ``limit`` seconds for a part.

        Raises:
            httpx.ReadTimeout: nothing came in time.
            httpx.ReadError: the connection broke.
            httpx.RemoteProtocolError: it was closed, or what came is not HTTP/1.1.
        """
        event = await self._next(limit)
        while isinstance(event, h11.InformationalResponse):
            event = await self._next(limit)
        if not isinstance(event, h11.Response):
            raise httpx.RemoteProtocolError("closed without an answer")
        return event

    async def body(self, limit: float | None) -> AsyncIterator[bytes]:
        """Give the parts of the answer's body; ``limit`` and errors as in receive."""
        while isinstance(event := await self._next(limit), h11.Data):
            yield bytes(event.data)
        if self._http.our_state is self._http.their_state is h11.DONE:
            self._http.start_next_cycle()

    async def _next(self, limit: float | None) -> _Event:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                await self._more(limit)
        except h11.RemoteProtocolError as error:
            raise httpx.RemoteProtocolError("no whole answer in HTTP/1.1") from error
        return event

    async def _more(self, limit: float | None) -> None:
        if self._over:
            raise httpx.ReadError("the connection broke") from self._error
        if self._held:
            self._held = False
            self._transport.resume_reading()
        self._reading = True
        try:
            await self._wait(limit, httpx.ReadTimeout)
        finally:
            self._reading = False

    async def _wait(
        self, limit: float | None, late: type[httpx.TimeoutException]
    ) -> None:
        self._waiter = self._loop.create_future()
        timer = None
        if limit is not None:
            timer = self._loop.call_later(limit, self._wake, late("not in time"))
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self, error: Exception | None = None) -> None:
        if self._waiter is None or self._waiter.done():
            return
        if error is None:
            self._waiter.set_result(None)
        else:
            self._waiter.set_exception(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; what is sent has left when the transport's own buffer is empty."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=1, low=0)  # 0 stalls with TLS

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer, and no more until somebody asks for it."""
        self._http.receive_data(data)
        if self._reading:
            self._wake()
        else:
            self._held = True
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """Note that something is still to leave."""
        self._full = True

    def resume_writing(self) -> None:
        """Note that all has left."""
        self._full = False
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end; without an error what has come may be a whole answer."""
        self._over, self._error = True, exc
        if exc is None:
            self._http.receive_data(b"")
        self._wake()
