"""Traces: a server span for each call, and the exporters that the environment names."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import grpc
from opentelemetry import propagate, trace
from opentelemetry.context import Context as OtelContext
from opentelemetry.trace import SpanKind, Status, StatusCode

from tokferry_server.telemetry.interceptor import Call, WrappingInterceptor

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

_SERVER_FAULTS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""The statuses that mark a server span as failed:
https://opentelemetry.io/docs/specs/semconv/rpc/grpc/"""


class TracingInterceptor(WrappingInterceptor):
    """One server span a call, child of the caller's span if it sent one.

    Names and attributes follow the RPC semantic conventions; nothing of a request or
    an answer is recorded.
    """

    def __init__(self, provider: trace.TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("tokferry", tracer_provider=provider)

    def unary(
        self, call: Call, details: grpc.HandlerCallDetails
    ) -> Callable[[Any, Context], Awaitable[Any]]:
        """Give the call with a span around it."""

        async def traced(request: Any, context: Context) -> Any:
            with self._span(details) as span:
                try:
                    return await call(request, context)
                finally:
                    _finish(span, context)

        return traced

    def stream(
        self, call: Call, details: grpc.HandlerCallDetails
    ) -> Callable[[Any, Context], AsyncIterator[Any]]:
        """Give the stream with a span around it."""

        async def traced(requests: Any, context: Context) -> AsyncIterator[Any]:
            with self._span(details) as span:
                try:
                    async for response in call(requests, context):
                        yield response
                finally:
                    _finish(span, context)

        return traced

    def _span(
        self, details: grpc.HandlerCallDetails
    ) -> AbstractContextManager[trace.Span]:
        method = details.method.lstrip("/")
        return self._tracer.start_as_current_span(
            method,
            context=_parent(details),
            kind=SpanKind.SERVER,
            attributes={"rpc.system.name": "grpc", "rpc.method": method},
            record_exception=False,
            set_status_on_exception=False,
        )


def configure_from_environment() -> None:
    """Send spans where the standard ``OTEL_*`` variables say; without them, nowhere.

    Raises:
        RuntimeError: if an OTLP exporter is asked for but not installed.
    """
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    endpoint = any(
        os.environ.get(name)
        for name in (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        )
    )
    if exporter == "none" or not (exporter or endpoint):
        return
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

    resource = Resource.create({"service.name": "tokferry"})
    provider = TracerProvider(resource=resource)
    span_exporter = ConsoleSpanExporter() if exporter == "console" else _otlp()
    provider.add_span_processor(BatchSpanProcessor(span_exporter))
    trace.set_tracer_provider(provider)


def _otlp() -> Any:
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
            OTLPSpanExporter,
        )
    except ImportError:
        raise RuntimeError(
            "OTEL_* asks for an OTLP exporter: pip install 'tokferry-server[otlp]'"
        ) from None
    return OTLPSpanExporter()


def _parent(details: grpc.HandlerCallDetails) -> OtelContext:
    metadata = details.invocation_metadata or ()
    carrier = {key: value for key, value in metadata if isinstance(value, str)}
    return propagate.extract(carrier)


def _finish(span: trace.Span, context: Context) -> None:
    if not span.is_recording():
        return
    code = _code(context)
    span.set_attribute("rpc.response.status_code", code.name)
    if code in _SERVER_FAULTS:
        span.set_attribute("error.type", code.name)
        span.set_status(Status(StatusCode.ERROR))


def _code(context: Context) -> grpc.StatusCode:
    """The status set so far; none means OK, as nothing was aborted."""
    code = context.code()
    if isinstance(code, grpc.StatusCode):
        return code
    return next(
        (status for status in grpc.StatusCode if status.value[0] == (code or 0)),
        grpc.StatusCode.UNKNOWN,
    )
