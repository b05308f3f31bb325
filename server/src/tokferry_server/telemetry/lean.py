"""Spans at less than half of what the SDK's own cost; all else is the SDK's.

Sampler, ids, resource and batching are those that ``OTEL_*`` set up. What spans of this
service never have is left out: events, limits, and checks of what attributes may be.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace import TracerProvider as SdkProvider
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, TraceFlags
from opentelemetry.util.types import Attributes, AttributeValue

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_NOT_SAMPLED = TraceFlags(TraceFlags.DEFAULT)
_UNSET = Status()


class LeanProvider(trace.TracerProvider):
    """Makes tracers; ``settings`` gives sampler, ids and resource."""

    def __init__(self, settings: SdkProvider, processor: SpanProcessor) -> None:
        self.settings = settings
        self.processor = processor

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,  # noqa: ARG002  the base class's
    ) -> trace.Tracer:
        """Give a tracer; its spans are told apart by its name."""
        scope = InstrumentationScope(
            instrumenting_module_name, instrumenting_library_version, schema_url
        )
        return _Tracer(self, scope)

    def shutdown(self) -> None:
        """Export what waits."""
        self.processor.shutdown()


class _Tracer(trace.Tracer):
    def __init__(self, provider: LeanProvider, scope: InstrumentationScope) -> None:
        self._sampler = provider.settings.sampler
        self._ids = provider.settings.id_generator
        self.resource = provider.settings.resource
        self.processor = provider.processor
        self.scope = scope

    def start_span(  # noqa: PLR0913, PLR0917  the base class's
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,  # noqa: ARG002
        set_status_on_exception: bool = True,  # noqa: ARG002
    ) -> trace.Span:
        parent = trace.get_current_span(context).get_span_context()
        known = parent.is_valid
        trace_id = parent.trace_id if known else self._ids.generate_trace_id()
        found = self._sampler.should_sample(
            context, trace_id, name, kind, attributes, links
        )
        sampled = found.decision is Decision.RECORD_AND_SAMPLE
        own = SpanContext(
            trace_id,
            self._ids.generate_span_id(),
            is_remote=False,
            trace_flags=_SAMPLED if sampled else _NOT_SAMPLED,
            trace_state=found.trace_state,
        )
        if not sampled:
            return trace.NonRecordingSpan(own)
        started = time.time_ns() if start_time is None else start_time
        span = _Span(self, name, own, parent if known else None, kind, started)
        span.links = links or ()
        if attributes:
            span.attributes.update(attributes)
        return span

    @contextmanager
    def start_as_current_span(  # type: ignore[override]  # that is no decorator here
        self, name: str, *given: Any, end_on_exit: bool = True, **named: Any
    ) -> Iterator[trace.Span]:
        span = self.start_span(name, *given, **named)
        with trace.use_span(
            span,
            end_on_exit=end_on_exit,
            record_exception=False,
            set_status_on_exception=False,
        ):
            yield span


class _Span(trace.Span):
    def __init__(  # noqa: PLR0913, PLR0917  what a span is
        self,
        tracer: _Tracer,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        started: int,
    ) -> None:
        self.attributes: dict[str, AttributeValue] = {}
        self.links: Sequence[Link] = ()
        self._tracer = tracer
        self._name = name
        self._context = context
        self._parent = parent
        self._kind = kind
        self._started = started
        self._status = _UNSET
        self._open = True

    def get_span_context(self) -> SpanContext:
        return self._context

    def is_recording(self) -> bool:
        return self._open

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        self.attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        self.attributes.update(attributes)

    def set_status(self, status: Any, description: str | None = None) -> None:  # noqa: ARG002
        self._status = status if isinstance(status, Status) else Status(status)

    def update_name(self, name: str) -> None:
        self._name = name

    def add_event(self, *_given: Any, **_named: Any) -> None:
        """Do nothing: events may hold anything."""

    def record_exception(self, *_given: Any, **_named: Any) -> None:
        """Do nothing: an exception's text may be anybody's data."""

    def end(self, end_time: int | None = None) -> None:
        if not self._open:
            return
        self._open = False
        tracer = self._tracer
        whole = ReadableSpan(
            name=self._name,
            context=self._context,
            parent=self._parent,
            resource=tracer.resource,
            attributes=self.attributes,
            links=self.links,
            kind=self._kind,
            status=self._status,
            start_time=self._started,
            end_time=time.time_ns() if end_time is None else end_time,
            instrumentation_scope=tracer.scope,
        )
        tracer.processor.on_end(whole)
