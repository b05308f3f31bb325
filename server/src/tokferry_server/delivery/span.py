"""One client span for each request to TikTok, without personal data or secrets.

Names: https://opentelemetry.io/docs/specs/semconv/http/http-spans/.
"""

import contextlib
from collections.abc import Iterator

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider

from tokferry_server.delivery.address import BaseUrl
from tokferry_server.tiktok.answer import Answer

_FIRST_ERROR = 400


class Spans:
    """Makes the spans; ``provider`` None takes the process's own."""

    def __init__(self, base: BaseUrl, provider: TracerProvider | None) -> None:
        self._base = base
        self._tracer = trace.get_tracer("tokferry.delivery", None, provider)

    @contextlib.contextmanager
    def post(self, path: str, resend: int) -> Iterator[Span]:
        """Open the span of one POST; ``resend`` counts the earlier tries."""
        attributes: dict[str, str | int] = {
            "http.request.method": "POST",
            "server.address": self._base.host,
            "server.port": self._base.port,
            "url.full": self._base.text + path,
        }
        if resend:
            attributes["http.request.resend_count"] = resend
        with self._tracer.start_as_current_span(
            "POST",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield span


def describe(span: Span, answer: Answer) -> None:
    """Note on the span what came back."""
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
