"""Sends spans by OTLP, encoded at a fraction of what the library's own encoder costs.

Only what spans of this service have is encoded: allowed attributes that are texts or
whole numbers, links, a status without text.
"""

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct
from typing import Any, Final, cast

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    InstrumentationScope,
    KeyValue,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, SpanFlags, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanContext, SpanKind, StatusCode

from tokferry_server.telemetry.allow_list import AllowListExporter
from tokferry_server.telemetry.lean import UNSET, LeanSpan
from tokferry_server.telemetry.tracing import SPAN_ATTRIBUTES

_ERROR: Final = Status(code=Status.STATUS_CODE_ERROR)
_LOCAL: Final = SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_REMOTE: Final = _LOCAL | SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK
_FIXED: Final = Struct("<2s16s2s8scQcQ2sI")
"""Ids, times and flags, each behind the tag of its field (and its length)."""
_TRACE_ID, _SPAN_ID, _PARENT_ID = b"\x0a\x10", b"\x12\x08", b"\x22\x08"
_STARTED, _ENDED, _FLAGS = b"\x39", b"\x41", b"\x85\x01"
_SPAN: Final = b"\x12"
_LOW_7_BITS: Final = 0x7F
_KINDS: Final = {
    id(kind): SpanMessage(
        kind=SpanMessage.SpanKind.Value(f"SPAN_KIND_{kind.name}")
    ).SerializeToString()
    for kind in SpanKind
}
"""By identity: members of an enum are hashed by their names, step by step."""


def span_processor(resource: Resource) -> SpanProcessor:
    """Give what exports spans, set up by ``OTEL_*`` as ever, and keeps to the list."""
    if hasattr(OTLPSpanExporter, "_translate_data"):
        return BatchSpanProcessor(_LeanExporter(resource))
    # A later version, which is free to call it otherwise.
    return BatchSpanProcessor(AllowListExporter(OTLPSpanExporter(), SPAN_ATTRIBUTES))


class _LeanExporter(OTLPSpanExporter):
    def __init__(self, resource: Resource) -> None:
        super().__init__()
        message = ResourceSpans(schema_url=resource.schema_url)
        for key, value in resource.attributes.items():
            message.resource.attributes.append(_pair(key, str(value)))
        self._message = message

    def _translate_data(
        self, data: Sequence[ReadableSpan]
    ) -> ExportTraceServiceRequest:
        """Put spans together; called by the base class."""
        by_scope: dict[str, list[bytes]] = {}
        for span in cast(Sequence[LeanSpan], data):
            by_scope.setdefault(span.tracer.scope.name, []).append(encode(span))
        request = ExportTraceServiceRequest(resource_spans=[self._message])
        for name, spans in by_scope.items():
            scope_spans = request.resource_spans[0].scope_spans.add(
                scope=InstrumentationScope(name=name)
            )
            scope_spans.MergeFromString(b"".join(spans))
        return request


def encode(span: LeanSpan) -> bytes:
    """Encode a span as an element of the message of its scope.

    By way of messages it takes three times as long, and there are but ten fields:
    https://protobuf.dev/programming-guides/encoding/
    """
    above, links, status = span.above, span.links, span.status
    is_remote = type(above) is SpanContext and above.is_remote
    fixed = _FIXED.pack(
        _TRACE_ID,
        span.trace_id.to_bytes(16, "big"),
        _SPAN_ID,
        span.span_id.to_bytes(8, "big"),
        _STARTED,
        span.start_time,
        _ENDED,
        span.end_time,
        _FLAGS,
        _REMOTE if is_remote else _LOCAL,
    )
    parts = [fixed, _KINDS[id(span.kind)], _name(span.name)]
    given = [item for item in span.attributes.items() if item[0] in SPAN_ATTRIBUTES]
    parts.append(_attributes(tuple(given)))
    if above is not None:
        parts += (_PARENT_ID, above.span_id.to_bytes(8, "big"))
    if links or status is not UNSET:
        parts.append(_rare(span))
    body = b"".join(parts)
    return b"".join((_SPAN, _length(len(body)), body))


@lru_cache(maxsize=1024)
def _length(number: int) -> bytes:
    lowest_first = []
    while number > _LOW_7_BITS:
        lowest_first.append(number & _LOW_7_BITS | _LOW_7_BITS + 1)
        number >>= 7
    return bytes((*lowest_first, number))


def _rare(span: LeanSpan) -> bytes:
    """Encode what few spans have."""
    message = SpanMessage()
    for link in span.links:
        message.links.add(
            trace_id=link.context.trace_id.to_bytes(16, "big"),
            span_id=link.context.span_id.to_bytes(8, "big"),
            flags=_REMOTE if link.context.is_remote else _LOCAL,
        )
    if span.status.status_code is StatusCode.ERROR:
        message.status.CopyFrom(_ERROR)
    return message.SerializeToString()


@lru_cache(maxsize=256)
def _name(name: str) -> bytes:
    return SpanMessage(name=name).SerializeToString()


@lru_cache(maxsize=1024)
def _attributes(given: tuple[tuple[str, Any], ...]) -> bytes:
    """Encode attributes: most spans have those of another one."""
    pairs = [_pair(key, value) for key, value in given]
    return SpanMessage(attributes=pairs).SerializeToString()


def _pair(key: str, value: object) -> KeyValue:
    if isinstance(value, int):
        return KeyValue(key=key, value=AnyValue(int_value=value))
    return KeyValue(key=key, value=AnyValue(string_value=str(value)))
