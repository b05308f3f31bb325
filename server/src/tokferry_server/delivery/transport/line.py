"""One connection that speaks HTTP/1.1, one request at a time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, cast

import httpx

from tokferry_server.delivery.transport.reading import MalformedError, Reading

_CHUNK: Final = 262_144  # TLS tells only between writes that the peer is not reading


class Line(asyncio.Protocol):
    """An open connection. After an exception it is of no more use, but to ``abort``."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._answer: Reading | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._reading = self._full = self._held = self._over = False
        self._error: Exception | None = None

    @property
    def usable(self) -> bool:
        """Whether it is open and idle, and nothing has come that was not asked for."""
        return self._answer is None and not self._over

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    async def send(self, head: bytes, body: bytes, limit: float | None) -> None:
        """Send a request.

        Raises:
            httpx.WriteTimeout: a part of it did not leave within ``limit`` seconds.
            httpx.WriteError: the connection broke.
        """
        self._answer = Reading()
        rest = memoryview(body)
        while head or rest:
            self._transport.writelines((head, rest[:_CHUNK]))
            head, rest = b"", rest[_CHUNK:]
            while self._full and not self._over:
                await self._wait(limit, httpx.WriteTimeout)
            if self._over:
                raise httpx.WriteError("the connection broke") from self._error

    async def receive(self, limit: float | None) -> Reading:
        """Wait for the head of the answer, each time ``limit`` seconds for a part.

        Raises:
            httpx.ReadTimeout: nothing came in time.
            httpx.ReadError: the connection broke.
            httpx.RemoteProtocolError: it was closed, or what came is not HTTP/1.1.
        """
        if self._answer is None:
            raise RuntimeError("no request was sent")
        while not self._answer.status:
            await self._more(limit)
        return self._answer

    async def body(self, limit: float | None) -> AsyncIterator[bytes]:
        """Give the parts of the answer's body; ``limit`` and errors as in receive."""
        answer = await self.receive(limit)
        while True:
            parts, answer.parts = answer.parts, []
            for part in parts:
                yield part
            if answer.whole:
                break
            await self._more(limit)
        if answer.keep and not self._over:
            self._answer = None
            self._read_on()

    async def _more(self, limit: float | None) -> None:
        if self._over:
            if isinstance(self._error, MalformedError | None):
                raise httpx.RemoteProtocolError("no whole answer") from self._error
            raise httpx.ReadError("the connection broke") from self._error
        self._read_on()
        self._reading = True
        try:
            await self._wait(limit, httpx.ReadTimeout)
        finally:
            self._reading = False

    def _read_on(self) -> None:
        if self._held:
            self._held = False
            self._transport.resume_reading()

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
        try:
            if self._answer is not None:
                self._answer.feed(data)
            else:  # nobody asked
                self._over = True
        except MalformedError as error:
            self._over, self._error = True, error
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
        if not self._over:
            self._over, self._error = True, exc
            if exc is None and self._answer is not None:
                self._answer.end()
        self._wake()
