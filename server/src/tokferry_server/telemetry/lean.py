"""Spans at a third of what the SDK's own cost; all else is the SDK's.

Sampler, ids, resource and batching are those that ``OTEL_*`` set up. What spans of this
service never have is left out: events, limits, and checks of what attributes may be. A
caller's ``tracestate`` is left out as well: it may hold anything.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace import TracerProvider as SdkProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    Decision,
    ParentBased,
    ParentBasedTraceIdRatio,
    Sampler,
    TraceIdRatioBased,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    TraceFlags,
)
from opentelemetry.util.types import Attributes, AttributeValue

_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
UNSET: Final = Status()
_LOW_64_BITS: Final = TraceIdRatioBased.TRACE_ID_LIMIT
_NOT_CHOSEN: Final = trace.NonRecordingSpan(trace.INVALID_SPAN_CONTEXT)
"""Stands for every span that is not sampled; those below it are not either."""


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
        self._bound = _bound_of_roots(self._sampler)
        self._ids = provider.settings.id_generator
        self.resource = provider.settings.resource
        self.emit = _emit(provider.processor)
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
        if context is not None and not context:
            # As an empty context would say, but sooner.
            above: trace.Span = trace.INVALID_SPAN
        else:
            above = trace.get_current_span(context)
        if type(above) is LeanSpan:
            # It has been chosen, and the whole trace with it.
            span = LeanSpan(self, name, kind, above.trace_id, above)
        elif above is _NOT_CHOSEN:
            return above
        elif above is trace.INVALID_SPAN and self._bound is not None:
            trace_id = self._ids.generate_trace_id()
            if trace_id & _LOW_64_BITS >= self._bound:
                return _NOT_CHOSEN
            span = LeanSpan(self, name, kind, trace_id)
        else:
            known = above.get_span_context()
            parent = known if known.is_valid else None
            trace_id = parent.trace_id if parent else self._ids.generate_trace_id()
            found = self._sampler.should_sample(context, trace_id, name, kind)
            if found.decision is not Decision.RECORD_AND_SAMPLE:
                return _NOT_CHOSEN
            span = LeanSpan(self, name, kind, trace_id, parent)
        span.span_id = self._ids.generate_span_id()
        if attributes:
            span.attributes.update(attributes)
        if links:
            span.links = links
        span.start_time = start_time or time.time_ns()
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


def _bound_of_roots(sampler: Sampler) -> int | None:
    """Give what a trace id must be below to be sampled; None if that has to be asked.

    To ask the SDK's samplers about a call that nobody has traced yet takes as long as
    all else that is done for a call that is left out.
    """
    by_parent = type(sampler) in {ParentBased, ParentBasedTraceIdRatio}
    root = getattr(sampler, "_root", None) if by_parent else sampler
    if root is ALWAYS_ON:
        return _LOW_64_BITS + 1
    return root.bound if type(root) is TraceIdRatioBased else None


def _emit(processor: SpanProcessor) -> Callable[[Any], None]:
    """Give what takes in a span that has ended.

    The SDK's batches ask each span again whether it is sampled, which takes longer than
    to put it into the queue.
    """
    batches = getattr(processor, "_batch_processor", None)
    return getattr(batches, "emit", None) or processor.on_end


class LeanSpan(trace.Span):
    """A span, and, once it has ended, what a processor and an exporter read of it.

    ``above`` is the span that it belongs to, or what tells that one from others if
    another process made it. What only some exporters read is made when it is read.
    """

    __slots__ = (
        *("above", "attributes", "end_time", "kind", "links", "name", "span_id"),
        *("start_time", "status", "trace_id", "tracer"),
    )
    span_id: int
    start_time: int

    def __init__(
        self,
        tracer: _Tracer,
        name: str,
        kind: SpanKind,
        trace_id: int,
        above: "LeanSpan | SpanContext | None" = None,
    ) -> None:
        self.tracer = tracer
        self.name = name
        self.kind = kind
        self.trace_id = trace_id
        self.above = above
        self.attributes: dict[str, AttributeValue] = {}
        self.links: Sequence[Link] = ()
        self.status = UNSET
        self.end_time: int | None = None

    @property
    def context(self) -> SpanContext:
        """What tells the span from others."""
        return SpanContext(
            self.trace_id,
            self.span_id,
            is_remote=False,
            trace_flags=_SAMPLED,
        )

    @property
    def parent(self) -> SpanContext | None:
        """What tells the span above from others; None for the first of a trace."""
        above = self.above
        if above is None:
            return None
        if isinstance(above, LeanSpan):
            return above.context
        return SpanContext(
            above.trace_id,
            above.span_id,
            is_remote=above.is_remote,
            trace_flags=above.trace_flags,
        )

    @property
    def resource(self) -> Resource:
        """What the process is."""
        return self.tracer.resource

    @property
    def instrumentation_scope(self) -> InstrumentationScope:
        """What part of the service made it."""
        return self.tracer.scope

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
            self.tracer.emit(self)
