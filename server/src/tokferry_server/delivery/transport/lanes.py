"""Keeps connections and sends each request over one that nobody else uses."""

import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final

import httpx

from tokferry_server.delivery.transport.dial import Dialer
from tokferry_server.delivery.transport.line import Line

_KEEP_IDLE_S: Final = 30.0


class Lanes(httpx.AsyncBaseTransport):
    """Sends requests to one host, each once: no retries, redirects, cookies, proxies.

    Idle connections are kept, and the last used is taken first. How many there are is
    for the caller to bound. ``request.extensions["timeout"]`` as httpx has it.
    """

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self._idle: deque[tuple[float, Line]] = deque()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request whose body is in memory; the answer's body is a stream.

        Raises:
            httpx.TransportError: its class says whether the request may have arrived.
        """
        limits = request.extensions["timeout"]
        head, body = _head(request), request.read()
        line = self._take() or await self._dialer.dial(limits["connect"])
        try:
            try:
                await line.send(head, body, limits["write"])
            except httpx.WriteError as broken:  # an answer may have come before
                try:
                    answer = await line.receive(limits["read"])
                except httpx.TransportError:
                    raise broken from None
            else:
                answer = await line.receive(limits["read"])
        except BaseException:
            line.abort()
            raise
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(line, limits["read"], self._give_back),
        )

    async def aclose(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop()[1].abort()

    def _take(self) -> Line | None:
        self._drop_old()
        while self._idle:
            line = self._idle.pop()[1]
            if line.usable:
                return line
            line.abort()
        return None

    def _give_back(self, line: Line) -> None:
        if line.usable:
            self._idle.append((time.monotonic(), line))
        else:
            line.abort()

    def _drop_old(self) -> None:
        old = time.monotonic() - _KEEP_IDLE_S
        while self._idle and self._idle[0][0] < old:
            self._idle.popleft()[1].abort()


class _Body(httpx.AsyncByteStream):
    def __init__(
        self, line: Line, limit: float | None, give_back: Callable[[Line], None]
    ) -> None:
        self._line = line
        self._limit = limit
        self._give_back = give_back

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._line.body(self._limit)

    async def aclose(self) -> None:
        self._give_back(self._line)


def _head(request: httpx.Request) -> bytes:
    """Write what comes before the body.

    Raises:
        httpx.LocalProtocolError: a header would be read as more than one.
    """
    lines = [b"%b: %b\r\n" % header for header in request.headers.raw]
    first = b"%b %b HTTP/1.1\r\n" % (request.method.encode(), request.url.raw_path)
    head = b"%b%b\r\n" % (first, b"".join(lines))
    ends = len(lines) + 2
    if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\0" in head:
        raise httpx.LocalProtocolError("a header holds a line break")
    return head
