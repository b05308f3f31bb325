"""Spans at less than half of what the SDK's own cost; all else is the SDK's.

Sampler, ids, resource and batching are those that ``OTEL_*`` set up. What spans of this
service never have is left out: events, limits, and checks of what attributes may be.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

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
        above = trace.get_current_span(context)
        parent = above.get_span_context()
        known = parent.is_valid
        trace_id = parent.trace_id if known else self._ids.generate_trace_id()
        # What is above has been chosen, and the whole trace with it.
        sampled, state = type(above) is LeanSpan, parent.trace_state
        if not sampled:
            found = self._sampler.should_sample(
                context, trace_id, name, kind, attributes, links
            )
            sampled = found.decision is Decision.RECORD_AND_SAMPLE
            state = found.trace_state or state
        own = SpanContext(
            trace_id,
            self._ids.generate_span_id(),
            is_remote=False,
            trace_flags=_SAMPLED if sampled else _NOT_SAMPLED,
            trace_state=state,
        )
        if not sampled:
            return trace.NonRecordingSpan(own)
        started = time.time_ns() if start_time is None else start_time
        span = LeanSpan(self, name, own, parent if known else None, kind, started)
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


class LeanSpan(trace.Span):
    """A span, and, once it has ended, what a processor and an exporter read of it."""

    __slots__ = (
        *("attributes", "context", "end_time", "instrumentation_scope", "kind"),
        *("links", "name", "parent", "resource", "start_time", "status", "_processor"),
    )

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
        self.name = name
        self.context = context
        self.parent = parent
        self.kind = kind
        self.start_time = started
        self.end_time: int | None = None
        self.status = _UNSET
        self.resource = tracer.resource
        self.instrumentation_scope = tracer.scope
        self._processor = tracer.processor

    def get_span_context(self) -> SpanContext:
        """Give what tells the span from others."""
        return self.context

    def is_recording(self) -> bool:
        """Say whether it has not ended."""
        return self.end_time is None

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Note an attribute."""
        self.attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Note attributes."""
        self.attributes.update(attributes)

    def set_status(self, status: Any, description: str | None = None) -> None:  # noqa: ARG002
        """Note the status, without its text."""
        self.status = status if isinstance(status, Status) else Status(status)

    def update_name(self, name: str) -> None:
        """Name it otherwise."""
        self.name = name

    def add_event(self, *_given: Any, **_named: Any) -> None:
        """Do nothing: events may hold anything."""

    def record_exception(self, *_given: Any, **_named: Any) -> None:
        """Do nothing: an exception's text may be anybody's data."""

    def end(self, end_time: int | None = None) -> None:
        """End it, and hand it on to be exported."""
        if self.end_time is None:
            self.end_time = time.time_ns() if end_time is None else end_time
            self._processor.on_end(cast(ReadableSpan, self))
