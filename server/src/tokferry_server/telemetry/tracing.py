"""Traces: a server span for each call, and below it one for each batch of work."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import grpc
from opentelemetry import context, propagate, trace
from opentelemetry.context import Context as OtelContext
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode

from tokferry_server.delivery.trace_context import tracer_of
from tokferry_server.telemetry.instruments import Instruments
from tokferry_server.telemetry.metrics import CONNECTION, ERROR, METHOD, STATUS, SYSTEM
from tokferry_server.telemetry.wrapping import Call, Wrapper

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

EVENTS: Final = "tokferry.events"
SPAN_ATTRIBUTES: Final = frozenset(
    {
        *(SYSTEM, METHOD, STATUS, ERROR),
        *(CONNECTION, EVENTS),
        *("http.request.method", "server.address", "server.port", "url.full"),
        *("http.request.resend_count", "http.response.status_code"),
        "tokferry.tiktok.code",
    }
)
"""All that spans may say; the exporter gets nothing else."""
_NOTHING: Final = contextlib.nullcontext()
_NOWHERE: Final = OtelContext()
_SERVER: Final = SpanKind.SERVER
_FAILED: Final = Status(StatusCode.ERROR)
_STATUSES: Final = {status.value[0]: status for status in grpc.StatusCode}


class CallWatch(Wrapper):
    """Measures each call, and gives it a span if it is to be traced.

    The span is a child of the caller's if it sent one. Names and attributes follow the
    RPC semantic conventions; nothing of a request or an answer is recorded.
    """

    def __init__(
        self,
        instruments: Instruments | None = None,
        provider: trace.TracerProvider | None = None,
    ) -> None:
        self._instruments = instruments or Instruments()
        self._tracer = tracer_of("tokferry", provider)
        self._fields = frozenset(propagate.get_global_textmap().fields)

    def unary(
        self, call: Call, method: str
    ) -> Callable[[Any, Context], Awaitable[Any]]:
        """Give the call with a watch on it."""
        name = method.lstrip("/")

        async def watched(request: Any, context: Context) -> Any:
            observed = self._begin(name, context)
            try:
                response = await call(request, context)
            except BaseException as error:
                self._end(observed, _code(context, error))
                raise
            self._end(observed, _code(context))
            return response

        return watched

    def stream(
        self, call: Call, method: str
    ) -> Callable[[Any, Context], AsyncIterator[Any]]:
        """Give the stream with a watch on it."""
        name = method.lstrip("/")

        async def watched(requests: Any, context: Context) -> AsyncIterator[Any]:
            observed = self._begin(name, context)
            try:
                async for response in call(requests, context):
                    yield response
            except BaseException as error:
                self._end(observed, _code(context, error))
                raise
            self._end(observed, _code(context))

        return watched

    def _begin(self, method: str, of: Context) -> tuple[str, float, Span]:
        self._instruments.call_begun()
        if self._tracer is None:
            return method, time.perf_counter(), INVALID_SPAN
        span = self._tracer.start_span(
            method,
            context=self._parent(of),
            kind=_SERVER,
        )
        if span.is_recording():
            # For good: each call has a task, and with it a context, of its own.
            context.attach(trace.set_span_in_context(span))
        return method, time.perf_counter(), span

    def _parent(self, of: Context) -> OtelContext:
        metadata = of.invocation_metadata() or ()
        for key, _ in metadata:
            if key in self._fields:
                return propagate.extract(dict(metadata), _NOWHERE)
        return _NOWHERE

    def _end(self, observed: tuple[str, float, Span], code: grpc.StatusCode) -> None:
        method, started, span = observed
        seconds = time.perf_counter() - started
        attributes = self._instruments.call_ended(method, code, seconds)
        if span.is_recording():
            span.set_attributes(attributes)
            if ERROR in attributes:
                span.set_status(_FAILED)
            span.end()


class BatchSpans:
    """Makes a span for each batch of work within a call that has one."""

    def __init__(self, provider: trace.TracerProvider | None = None) -> None:
        self._tracer = tracer_of("tokferry", provider)

    def mapping(
        self, connection: str, batches: Sequence[Any]
    ) -> contextlib.AbstractContextManager[object]:
        """Open the span of mapping some batches; the call's own names the connection.

        The events counted are those that stand in readable batches.
        """
        if self._tracer is None:
            return _NOTHING
        current = trace.get_current_span()
        if not current.is_recording():
            return _NOTHING
        events = sum(len(getattr(batch, "events", ())) for batch in batches)
        if connection:
            current.set_attribute(CONNECTION, connection)
        return self._tracer.start_span(
            "map",
            attributes={EVENTS: events},
            record_exception=False,
            set_status_on_exception=False,
        )


def _code(context: Context, error: BaseException | None = None) -> grpc.StatusCode:
    """The status set so far; none means OK, or that the caller went away."""
    code = context.code()
    if isinstance(code, grpc.StatusCode):
        return code
    if not code and isinstance(error, asyncio.CancelledError | GeneratorExit):
        return grpc.StatusCode.CANCELLED
    return _STATUSES.get(code or 0, grpc.StatusCode.UNKNOWN)
