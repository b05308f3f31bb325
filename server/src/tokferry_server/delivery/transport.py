"""Posts to TikTok over HTTP/1.1: the one file that knows httpx.

A request that has begun is never cancelled, whoever stops waiting for it: a cancelled
one leaves its connection unusable (https://github.com/encode/httpcore/issues/1093) and
its events in doubt. Requests go straight to httpx's transport, one connection each, so
there are no redirects, no proxies of the environment and no cookies.
"""

import asyncio
import contextlib
import logging
import re
import socket
import ssl
from collections import deque
from collections.abc import Callable, Collection
from typing import Final, Self

import httpx
from opentelemetry.trace import TracerProvider

from tokferry_server.delivery.address import check_base_url
from tokferry_server.delivery.in_flight import InFlight
from tokferry_server.delivery.poster import DEFAULT_TIMEOUTS, Timeouts, check_token
from tokferry_server.delivery.span import Spans, describe
from tokferry_server.tiktok.answer import Answer, Failure, read_answer

_MAX_ANSWER = 1_048_576
_KEEP_IDLE_S = 30.0
_CLOSE_S = 1.0
_PRINTABLE: Final = re.compile(r"[ -~]{1,256}")


class Transport:
    """Posts requests, ``max_in_flight`` at a time for each key.

    ``async with Transport(base_url=...) as transport``; leaving it waits for the
    requests that are under way. ``clock`` gives seconds that never go back.

    Raises:
        ValueError: the base URL or the user agent is not allowed.
    """

    def __init__(  # noqa: PLR0913  keyword-only settings
        self,
        *,
        base_url: str,
        user_agent: str,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        max_in_flight: int = 16,
        allow_loopback: bool = False,
        allowed_hosts: Collection[str] = (),
        ssl_context: ssl.SSLContext | None = None,
        tracer_provider: TracerProvider | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._base = check_base_url(
            base_url, allow_loopback=allow_loopback, allowed_hosts=allowed_hosts
        )
        if not _PRINTABLE.fullmatch(user_agent):
            raise ValueError("user_agent: must be 1 to 256 printable ASCII characters")
        self._user_agent = user_agent
        self._timeouts = timeouts
        self._lanes = _Lanes(
            ssl_context or _ssl_context(secure=self._base.secure), clock
        )
        self._in_flight = InFlight(max_in_flight, timeouts.attempt)
        self._spans = Spans(self._base, tracer_provider)
        for name in ("httpx", "httpcore", "h11", "hpack"):
            logging.getLogger(name).setLevel(logging.WARNING)

    async def __aenter__(self) -> Self:
        """Give the transport itself; connections are opened when they are needed."""
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Wait for the requests under way, then close every connection."""
        await self.aclose()

    async def aclose(self) -> None:
        """Wait for the requests under way, then close every connection."""
        await self._in_flight.settle()
        await self._lanes.aclose()

    async def post(  # noqa: PLR0913  keyword-only after the request's three parts
        self,
        path: str,
        token: str,
        body: bytes,
        *,
        key: str,
        resend: int = 0,
        patience: float | None = None,
    ) -> Answer:
        """Post ``body`` (JSON) and give the answer, or the failure to get one.

        ``key`` names the connection whose share of requests it counts in; ``resend``
        counts earlier tries of the same events; ``patience`` is how many seconds the
        caller waits. A caller that is cancelled or runs out of patience leaves the
        request to itself: it goes on to its end.

        Raises:
            ValueError: the token is not visible ASCII (check_token).
        """
        check_token(token)
        return await self._in_flight.run(
            key, lambda: self._attempt(path, token, body, resend), patience=patience
        )

    async def _attempt(self, path: str, token: str, body: bytes, resend: int) -> Answer:
        request = self._request(path, token, body)
        with self._spans.post(path, resend) as span:
            lane = self._lanes.take()
            exchange = _Exchange()
            try:
                async with asyncio.timeout(self._timeouts.attempt):
                    await exchange.run(lane, request)
            except TimeoutError:
                exchange.fail(Failure.READ_TIMEOUT)
            except Exception as error:  # noqa: BLE001  anything else is in doubt, too
                exchange.fail(failure_of(error))
            finally:
                await self._lanes.give_back(lane, usable=exchange.clean)
            describe(span, exchange.answer)
            return exchange.answer

    def _request(self, path: str, token: str, body: bytes) -> httpx.Request:
        limits = self._timeouts
        return httpx.Request(
            "POST",
            self._base.text + path,
            headers={
                "Access-Token": token,
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": self._user_agent,
            },
            content=body,
            extensions={
                "timeout": {
                    "connect": limits.connect,
                    "write": limits.write,
                    "read": limits.read,
                    "pool": 0.0,
                }
            },
        )


class _Exchange:
    """One request and what came back for it so far."""

    def __init__(self) -> None:
        self.answer = Answer(failure=Failure.OTHER)
        self.clean = False
        self._status: int | None = None

    async def run(self, lane: httpx.AsyncHTTPTransport, request: httpx.Request) -> None:
        """Send the request and read the answer, up to the size limit.

        Raises:
            httpx.TransportError: it failed; ``fail`` is to be called.
        """
        response = await lane.handle_async_request(request)
        self._status = response.status_code
        parts: list[bytes] = []
        size = 0
        try:
            async for part in response.aiter_raw():
                parts.append(part)
                size += len(part)
                if size > _MAX_ANSWER:
                    break
        finally:
            await response.aclose()
        self.clean = size <= _MAX_ANSWER
        headers = response.headers
        self.answer = read_answer(
            http_status=response.status_code,
            body=b"".join(parts),
            content_type=headers.get("content-type"),
            retry_after=headers.get("retry-after"),
            date=headers.get("date"),
        )

    def fail(self, failure: Failure) -> None:
        """Note why there is no whole answer."""
        self.clean = False
        if self._status is not None and failure is not Failure.READ_TIMEOUT:
            failure = Failure.TRUNCATED
        self.answer = Answer(http_status=self._status, failure=failure)


class _Lanes:
    """Connections to TikTok: httpx transports of one connection each, last used first.

    httpx's own pool slows down as it grows, and one bad request can block it whole.
    """

    def __init__(
        self, context: ssl.SSLContext | bool, clock: Callable[[], float] | None
    ) -> None:
        self._context = context
        self._clock = clock
        self._idle: deque[tuple[float, httpx.AsyncHTTPTransport]] = deque()

    def take(self) -> httpx.AsyncHTTPTransport:
        if self._idle:
            return self._idle.pop()[1]
        return httpx.AsyncHTTPTransport(
            verify=self._context,
            trust_env=False,
            http1=True,
            http2=False,
            limits=httpx.Limits(
                max_connections=1,
                max_keepalive_connections=1,
                keepalive_expiry=_KEEP_IDLE_S,
            ),
        )

    async def give_back(self, lane: httpx.AsyncHTTPTransport, *, usable: bool) -> None:
        now = self._now()
        while self._idle and self._idle[0][0] < now - _KEEP_IDLE_S:
            await _close(self._idle.popleft()[1])
        if usable:
            self._idle.append((now, lane))
        else:
            await _close(lane)

    async def aclose(self) -> None:
        while self._idle:
            await _close(self._idle.pop()[1])

    def _now(self) -> float:
        clock = self._clock or asyncio.get_running_loop().time
        return clock()


async def _close(lane: httpx.AsyncHTTPTransport) -> None:
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_CLOSE_S):
            await lane.aclose()


_FAILURES: Final[tuple[tuple[type[Exception], Failure], ...]] = (
    (httpx.ConnectTimeout, Failure.CONNECT),
    (httpx.PoolTimeout, Failure.POOL),
    (httpx.ReadTimeout, Failure.READ_TIMEOUT),
    (httpx.WriteTimeout, Failure.WRITE),
    (httpx.ConnectError, Failure.CONNECT),
    (httpx.WriteError, Failure.WRITE),
    (httpx.ReadError, Failure.RESET),
    (httpx.CloseError, Failure.RESET),
    (httpx.RemoteProtocolError, Failure.RESET),
    (httpx.LocalProtocolError, Failure.LOCAL_PROTOCOL),
    (httpx.UnsupportedProtocol, Failure.LOCAL_PROTOCOL),
    (httpx.ProxyError, Failure.CONNECT),
)


def failure_of(error: BaseException) -> Failure:
    """Name the failure behind an exception; OTHER when in doubt."""
    found = next((f for kind, f in _FAILURES if isinstance(error, kind)), Failure.OTHER)
    if found is not Failure.CONNECT:
        return found
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Failure.CERTIFICATE
        if isinstance(cause, ssl.SSLError):
            return Failure.TLS
        if isinstance(cause, socket.gaierror):
            return Failure.DNS
        cause = cause.__cause__ or cause.__context__
    return Failure.CONNECT


def _ssl_context(*, secure: bool) -> ssl.SSLContext | bool:
    return httpx.create_ssl_context(trust_env=False) if secure else False
