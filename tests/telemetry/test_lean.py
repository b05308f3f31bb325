"""Our own spans are what the SDK's would be, without what they must not hold."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    Decision,
    ParentBased,
    ParentBasedTraceIdRatio,
    Sampler,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from tokferry_server.telemetry.allow_list import AllowListExporter
from tokferry_server.telemetry.lean import LeanProvider
from tokferry_server.telemetry.otlp import _LeanExporter
from tokferry_server.telemetry.tracing import SPAN_ATTRIBUTES


def providers(
    sampler: Sampler | None = None,
) -> list[tuple[trace.TracerProvider, InMemorySpanExporter]]:
    """Give the SDK's provider and ours, with what they export."""
    made: list[tuple[trace.TracerProvider, InMemorySpanExporter]] = []
    for lean in (False, True):
        exporter = InMemorySpanExporter()
        processor = SimpleSpanProcessor(exporter)
        provider = TracerProvider(sampler, resource=Resource({"service.name": "s"}))
        if lean:
            made.append((LeanProvider(provider, processor), exporter))
        else:
            provider.add_span_processor(processor)
            made.append((provider, exporter))
    return made


def story(provider: trace.TracerProvider) -> None:
    """Make a call with a failed request below it."""
    tracer = provider.get_tracer("test")
    far = trace.SpanContext(1, 2, is_remote=True, trace_flags=trace.TraceFlags(1))
    with tracer.start_as_current_span("call", kind=SpanKind.SERVER) as call:
        call.set_attribute("a", "text")
        links = [Link(far)]
        post = tracer.start_span("POST", attributes={"port": 443}, links=links)
        post.set_attributes({"code": 7, "port": 80})
        post.set_status(Status(StatusCode.ERROR))
        post.end()
        post.end()


def shown(span: ReadableSpan, root: ReadableSpan) -> Any:
    return {
        "name": span.name,
        "kind": span.kind,
        "attributes": dict(span.attributes or {}),
        "links": [link.context for link in span.links],
        "status": span.status.status_code,
        "scope": span.instrumentation_scope and span.instrumentation_scope.name,
        "resource": dict(span.resource.attributes),
        "in the trace": span.context.trace_id == root.context.trace_id,
        "parent": span.parent == root.context,
    }


def test_they_are_what_the_sdks_spans_are() -> None:
    told = []
    for provider, exporter in providers():
        story(provider)
        spans = exporter.get_finished_spans()
        told.append([shown(span, spans[-1]) for span in spans])
        for span in spans:
            assert span.start_time is not None
            assert span.end_time is not None
            assert span.start_time <= span.end_time
    assert told[0] == told[1]
    assert [one["name"] for one in told[1]] == ["POST", "call"]


def test_the_sampler_decides() -> None:
    for provider, exporter in providers(ParentBased(ALWAYS_OFF)):
        story(provider)
        assert exporter.get_finished_spans() == ()
        sampled = trace.NonRecordingSpan(
            trace.SpanContext(1, 2, is_remote=True, trace_flags=trace.TraceFlags(1))
        )
        context = trace.set_span_in_context(sampled, Context())
        provider.get_tracer("test").start_span("call", context).end()
        [span] = exporter.get_finished_spans()
        assert span.context.trace_id == 1


def test_exceptions_and_events_are_not_kept() -> None:
    [_, (provider, exporter)] = providers()
    tracer = provider.get_tracer("test")
    span = tracer.start_span("call")
    span.record_exception(ValueError("jo@example.com"))
    span.add_event("jo@example.com")
    span.end()
    kept = InMemorySpanExporter()
    AllowListExporter(kept, ()).export(exporter.get_finished_spans())
    assert "example.com" not in kept.get_finished_spans()[0].to_json()


@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0])
def test_as_many_traces_are_chosen_as_by_the_sdks_sampler(ratio: float) -> None:
    asked = ParentBasedTraceIdRatio(ratio)
    for sampler in (asked, TraceIdRatioBased(ratio)):
        [_, (provider, exporter)] = providers(sampler)
        assert isinstance(provider, LeanProvider)
        random = Random(7)
        made = [random.getrandbits(128) for _ in range(500)]
        provider.settings.id_generator = Given(made)
        tracer = provider.get_tracer("test")
        for _ in made:
            tracer.start_span("call", Context()).end()
        chosen = [one for one in made if _is_sampled(asked, one)]
        spans = exporter.get_finished_spans()
        assert [span.context.trace_id for span in spans] == chosen


class Given(RandomIdGenerator):
    """Gives the trace ids that it was given."""

    def __init__(self, trace_ids: Iterable[int]) -> None:
        self._trace_ids = iter(trace_ids)

    def generate_trace_id(self) -> int:
        return next(self._trace_ids)


def _is_sampled(sampler: Sampler, trace_id: int) -> bool:
    found = sampler.should_sample(Context(), trace_id, "call")
    return found.decision is Decision.RECORD_AND_SAMPLE


def test_what_is_below_a_span_that_is_not_chosen_is_not_chosen_either() -> None:
    [_, (provider, exporter)] = providers(TraceIdRatioBased(0.5))
    tracer = provider.get_tracer("test")
    chosen = 0
    for _ in range(100):
        with tracer.start_as_current_span("call") as call:
            tracer.start_span("POST").end()
            chosen += call.is_recording()
    assert 0 < chosen < 100
    assert len(exporter.get_finished_spans()) == 2 * chosen


def test_they_are_encoded_as_the_sdk_encodes_them() -> None:
    [_, (provider, exporter)] = providers()
    for text in ("", "a" * 100, "é" * 20_000):
        parent = trace.NonRecordingSpan(
            trace.SpanContext(
                *(2**127 + 5, 2**63 + 9),
                is_remote=True,
                trace_flags=trace.TraceFlags(1),
                trace_state=trace.TraceState([("vendor", "a:1"), ("b", "2")]),
            )
        )
        tracer = provider.get_tracer("test")
        above = trace.set_span_in_context(parent, Context())
        with tracer.start_as_current_span("remote", above) as span:
            span.set_attribute("rpc.method", text)
            span.set_attribute("http.request.resend_count", 2**40)
            story(provider)
    story(provider)
    spans = exporter.get_finished_spans()
    cleaned = InMemorySpanExporter()
    AllowListExporter(cleaned, SPAN_ATTRIBUTES).export(spans)
    theirs = encode_spans(cleaned.get_finished_spans())
    ours = _LeanExporter(spans[0].resource)._translate_data(spans)
    for request in (theirs, ours):
        for one in request.resource_spans[0].scope_spans[0].spans:
            one.attributes.sort(key=lambda pair: pair.key)
            if one.status.code == 0:
                one.ClearField("status")
    assert ours == theirs
    assert b"vendor" not in ours.SerializeToString()


def test_what_is_left_out_does_not_keep_the_rest_from_being_sent() -> None:
    [_, (provider, exporter)] = providers()
    span = provider.get_tracer("test").start_span("call")
    span.set_attribute("rpc.method", "m")
    span.set_attribute("of.a.plugin", ["a", "b"])
    span.end()
    spans = exporter.get_finished_spans()
    [scope] = (
        _LeanExporter(spans[0].resource)
        ._translate_data(spans)
        .resource_spans[0]
        .scope_spans
    )
    assert [pair.key for pair in scope.spans[0].attributes] == ["rpc.method"]


@pytest.mark.tells("the exporter has to clean this span")
def test_nothing_but_what_is_allowed_is_exported() -> None:
    [_, (provider, exporter)] = providers()
    with provider.get_tracer("test").start_as_current_span("call") as span:
        span.set_attribute("enduser.id", "jo@example.com")
        span.set_attribute("rpc.method", "m")
        span.add_event("jo@example.com")
    spans = exporter.get_finished_spans()
    encoded = _LeanExporter(spans[0].resource)._translate_data(spans)
    assert b"example.com" not in encoded.SerializeToString()
    assert b"rpc.method" in encoded.SerializeToString()
    kept = InMemorySpanExporter()
    AllowListExporter(kept, {"rpc.method"}).export(spans)
    [cleaned] = kept.get_finished_spans()
    assert dict(cleaned.attributes or {}) == {"rpc.method": "m"}
    assert "example.com" not in cleaned.to_json()
