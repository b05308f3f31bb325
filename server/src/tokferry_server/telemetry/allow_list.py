"""Lets spans say what is on a list and nothing else, whoever made them."""

from collections.abc import Collection, Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult


class AllowListExporter(SpanExporter):
    """Exports spans with the allowed attributes only, and without events.

    An event would be an exception with its text, which may hold anything.
    """

    def __init__(self, exporter: SpanExporter, allowed: Collection[str]) -> None:
        self._exporter = exporter
        self._allowed = frozenset(allowed)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export what is left of the spans."""
        return self._exporter.export([self._cleaned(span) for span in spans])

    def shutdown(self) -> None:
        """Shut the exporter down."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Export what is waiting."""
        return self._exporter.force_flush(timeout_millis)

    def _cleaned(self, span: ReadableSpan) -> ReadableSpan:
        given = span.attributes or {}
        return ReadableSpan(
            name=span.name,
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes={key: given[key] for key in given.keys() & self._allowed},
            links=span.links,
            kind=span.kind,
            status=span.status,
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )
