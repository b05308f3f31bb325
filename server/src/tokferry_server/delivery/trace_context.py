"""Which call accepted an event, in 25 bytes that are stored with it, if it is traced.

Trace id (16), span id (8) and flags (1), as in https://www.w3.org/TR/trace-context/.
"""

from collections.abc import Iterable
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import (
    Link,
    ProxyTracerProvider,
    SpanContext,
    TraceFlags,
    Tracer,
    TracerProvider,
)

_TRACE_BYTES: Final = 16
_SPAN_BYTES: Final = 8
_SIZE: Final = _TRACE_BYTES + _SPAN_BYTES + 1
_MOST_LINKS: Final = 128
"""What a span keeps of them by default (``OTEL_SPAN_LINK_COUNT_LIMIT``)."""


def tracer_of(name: str, provider: TracerProvider | None) -> Tracer | None:
    """Give a tracer of the provider, or of the process's own; None if it has none.

    A process decides on tracing before it makes what is traced.
    """
    found = provider or trace.get_tracer_provider()
    if isinstance(found, ProxyTracerProvider):  # it stands in for none
        return None
    return found.get_tracer(name)


def of_current_call() -> bytes | None:
    """Give the context of the span that is open now; None if none is recorded."""
    span = trace.get_current_span()
    if not span.is_recording():
        return None
    context = span.get_span_context()
    return (
        context.trace_id.to_bytes(_TRACE_BYTES, "big")
        + context.span_id.to_bytes(_SPAN_BYTES, "big")
        + bytes([context.trace_flags & 0xFF])
    )


def links_to(stored: Iterable[bytes | None]) -> tuple[Link, ...]:
    """Give a link to each of the calls, once; bytes of another form are left out."""
    known = dict.fromkeys(one for one in stored if one is not None)
    whole = [one for one in known if len(one) == _SIZE]
    return tuple(Link(_context(one)) for one in whole[:_MOST_LINKS])


def _context(stored: bytes) -> SpanContext:
    return SpanContext(
        trace_id=int.from_bytes(stored[:_TRACE_BYTES], "big"),
        span_id=int.from_bytes(stored[_TRACE_BYTES:-1], "big"),
        is_remote=True,
        trace_flags=TraceFlags(stored[-1]),
    )
