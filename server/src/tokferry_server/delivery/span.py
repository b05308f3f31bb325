"""What is told of each request to TikTok: a client span, and a word to an observer.

Names: https://opentelemetry.io/docs/specs/semconv/http/http-spans/. Neither gets
personal data or secrets.
"""

import time
from contextvars import ContextVar
from typing import Final, Protocol, Self

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    Span,
    SpanKind,
    Status,
    StatusCode,
    TracerProvider,
)

from tokferry_server.delivery.address import BaseUrl
from tokferry_server.delivery.trace_context import tracer_of
from tokferry_server.tiktok.answer import Answer

_FIRST_ERROR = 400

links_of_request: Final[ContextVar[tuple[Link, ...]]] = ContextVar(
    "links_of_request", default=()
)
"""The calls that accepted the events of a request, as far as they are traced."""


class RequestObserver(Protocol):
    """Who wants to know of requests; ``key`` names the connection."""

    def begun(self, key: str) -> None:
        """A request goes out."""

    def ended(self, key: str, answer: Answer, seconds: float, *, resend: int) -> None:
        """It took so long and had this answer; ``resend`` counts earlier tries."""


class Attempt:
    """One request under way, within ``with``; ``describe`` tells what came back."""

    __slots__ = ("_key", "_observer", "_resend", "_span", "_started", "answer")

    def __init__(
        self, span: Span, observer: RequestObserver | None, key: str, resend: int
    ) -> None:
        self.answer = Answer()
        self._span = span
        self._observer = observer
        self._key = key
        self._resend = resend
        self._started = 0.0

    def __enter__(self) -> Self:
        """Begin."""
        if self._observer is not None:
            self._observer.begun(self._key)
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_error: object) -> None:
        """End, with an answer or without."""
        if self._observer is not None:
            seconds = time.perf_counter() - self._started
            self._observer.ended(self._key, self.answer, seconds, resend=self._resend)
        self._span.end()

    def describe(self, answer: Answer) -> None:
        """Note what came back."""
        self.answer = answer
        if self._span.is_recording():
            _describe(self._span, answer)


class Spans:
    """Tells of requests; ``provider`` None takes the process's own."""

    def __init__(
        self,
        base: BaseUrl,
        provider: TracerProvider | None,
        observer: RequestObserver | None = None,
    ) -> None:
        self._base = base
        self._tracer = tracer_of("tokferry.delivery", provider)
        self._observer = observer

    def post(self, path: str, *, key: str, resend: int) -> Attempt:
        """Accompany one POST; ``resend`` counts the earlier tries.

        It has a span if the call that it belongs to has one, or one that accepted its
        events.
        """
        return Attempt(self._begin(path, resend), self._observer, key, resend)

    def _begin(self, path: str, resend: int) -> Span:
        if self._tracer is None:
            return INVALID_SPAN
        links = links_of_request.get()
        inside = trace.get_current_span().is_recording()
        if not (inside or links):
            return INVALID_SPAN
        attributes: dict[str, str | int] = {
            "http.request.method": "POST",
            "server.address": self._base.host,
            "server.port": self._base.port,
            "url.full": self._base.text + path,
        }
        if resend:
            attributes["http.request.resend_count"] = resend
        return self._tracer.start_span(
            "POST",
            context=None if inside else _of_first(links),
            kind=SpanKind.CLIENT,
            attributes=attributes,
            links=links,
        )


def _of_first(links: tuple[Link, ...]) -> Context:
    """Give the context of the first call: the span belongs to its trace."""
    span = trace.NonRecordingSpan(links[0].context)
    return trace.set_span_in_context(span, Context())


def _describe(span: Span, answer: Answer) -> None:
    if answer.http_status is not None:
        span.set_attribute("http.response.status_code", answer.http_status)
    if answer.code is not None:
        span.set_attribute("tokferry.tiktok.code", answer.code)
    error = answer.failure or answer.code or _bad_status(answer.http_status)
    if error:
        span.set_attribute("error.type", str(error))
        span.set_status(Status(StatusCode.ERROR))


def _bad_status(status: int | None) -> int | None:
    return status if status is not None and status >= _FIRST_ERROR else None
