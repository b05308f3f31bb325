"""Posts one request of events and gives TikTok's answer.

A request that has begun is never cancelled, whoever stops waiting for it: that would
leave its events in doubt.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import Collection
from functools import cache
from typing import Final, Self

import httpx
from opentelemetry.trace import TracerProvider

from tokferry_server.delivery.address import check_base_url
from tokferry_server.delivery.in_flight import InFlight
from tokferry_server.delivery.poster import DEFAULT_TIMEOUTS, Timeouts, check_token
from tokferry_server.delivery.span import RequestObserver, Spans
from tokferry_server.delivery.transport.dial import Dialer, Resolve, resolve
from tokferry_server.delivery.transport.exchange import Exchange
from tokferry_server.delivery.transport.failures import failure_of
from tokferry_server.delivery.transport.lanes import Lanes
from tokferry_server.tiktok.answer import Answer, Failure

_HEADERS: Final = (
    ("Content-Type", "application/json"),
    ("Accept", "application/json"),
    ("Accept-Encoding", "identity"),
)
_PRINTABLE: Final = re.compile(r"[ -~]{1,256}")


class Transport:
    """Posts requests, ``max_in_flight`` at a time for each key.

    ``async with Transport(base_url=...) as transport``; leaving it waits for the
    requests that are under way. ``resolve`` gives the addresses of a host; ``http``,
    if given, carries the requests instead of connections of our own.

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
        observer: RequestObserver | None = None,
        resolve: Resolve = resolve,
        http: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._base = check_base_url(
            base_url, allow_loopback=allow_loopback, allowed_hosts=allowed_hosts
        )
        if not _PRINTABLE.fullmatch(user_agent):
            raise ValueError("user_agent: must be 1 to 256 printable ASCII characters")
        url = httpx.URL(self._base.text)
        self._url = cache(url.join)
        host = ("Host", url.netloc.decode())
        self._headers = httpx.Headers([host, *_HEADERS, ("User-Agent", user_agent)])
        self._timeouts = timeouts
        self._limits = {
            "connect": timeouts.connect,
            "write": timeouts.write,
            "read": timeouts.read,
        }
        if self._base.secure and ssl_context is None:
            ssl_context = httpx.create_ssl_context(trust_env=False)
        dialer = Dialer(self._base, ssl_context if self._base.secure else None, resolve)
        self._http = http or Lanes(dialer)
        self._in_flight = InFlight(max_in_flight, timeouts.attempt)
        self._spans = Spans(self._base, tracer_provider, observer)
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
        await self._http.aclose()

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
            key,
            lambda: self._attempt(path, token, body, key=key, resend=resend),
            patience=patience,
        )

    async def _attempt(
        self, path: str, token: str, body: bytes, *, key: str, resend: int
    ) -> Answer:
        request = self._request(path, token, body)
        with self._spans.post(path, key=key, resend=resend) as attempt:
            exchange = Exchange()
            try:
                async with asyncio.timeout(self._timeouts.attempt):
                    await exchange.run(self._http, request)
            except TimeoutError:
                exchange.fail(Failure.READ_TIMEOUT)
            except Exception as error:  # noqa: BLE001  anything else is in doubt, too
                exchange.fail(failure_of(error))
            attempt.describe(exchange.answer)
            return exchange.answer

    def _request(self, path: str, token: str, body: bytes) -> httpx.Request:
        headers = httpx.Headers(self._headers)
        headers["Access-Token"] = token
        headers["Content-Length"] = str(len(body))
        return httpx.Request(
            "POST",
            self._url(path),
            headers=headers,
            stream=httpx.ByteStream(body),  # else httpx would look at every header
            extensions={"timeout": self._limits},
        )
