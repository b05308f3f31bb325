from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags

from tokferry_server.delivery import Transport
from tokferry_server.delivery.span import links_of_request
from tokferry_server.sandbox import Fault

PATH = "/open_api/v1.3/event/track/"


async def _span(line: Any, fault: Fault, resend: int = 0) -> ReadableSpan:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    line.sandbox.script([fault])
    async with Transport(
        base_url=line.sandbox.url,
        user_agent="tokferry-tests/1",
        allow_loopback=True,
        tracer_provider=provider,
    ) as transport:
        body = b'{"data":[{"event":"jo@example.com"}]}'
        with provider.get_tracer("test").start_as_current_span("call") as call:
            await transport.post(PATH, "a-made-up-token", body, key="k", resend=resend)
    span, _ = exporter.get_finished_spans()
    assert span.parent == call.get_span_context()
    return span


async def test_an_attempt_is_a_client_span_without_secrets(line: Any) -> None:
    span = await _span(line, Fault(reply="handle"))
    port = int(line.sandbox.url.rpartition(":")[2])
    assert (span.name, span.kind) == ("POST", SpanKind.CLIENT)
    assert span.attributes == {
        "http.request.method": "POST",
        "server.address": "127.0.0.1",
        "server.port": port,
        "url.full": line.sandbox.url + PATH,
        "http.response.status_code": 200,
        "tokferry.tiktok.code": 0,
    }
    assert span.status.status_code is StatusCode.UNSET
    assert "made-up" not in span.to_json()
    assert "jo@example" not in span.to_json()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(code=40002, message="Batch.0.event: Got 'jo@example.com'"), "40002"),
        (Fault(reply="html", status=502), "502"),
        (Fault(reply="reset"), "reset"),
    ],
)
async def test_a_failed_attempt_names_its_error(
    line: Any, fault: Fault, error: str
) -> None:
    span = await _span(line, fault)
    assert span.attributes is not None
    assert span.attributes["error.type"] == error
    assert span.status.status_code is StatusCode.ERROR
    assert span.events == ()
    assert "jo@example" not in span.to_json()


async def test_a_resend_counts_the_tries_before_it(line: Any) -> None:
    span = await _span(line, Fault(reply="handle"), resend=2)
    assert span.attributes is not None
    assert span.attributes["http.request.resend_count"] == 2


async def test_a_request_of_a_call_without_a_span_has_none(line: Any) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with Transport(
        base_url=line.sandbox.url,
        user_agent="tokferry-tests/1",
        allow_loopback=True,
        tracer_provider=provider,
    ) as transport:
        await transport.post(PATH, "a-made-up-token", b"{}", key="k")
        accepted = SpanContext(
            trace_id=7, span_id=5, is_remote=True, trace_flags=TraceFlags(1)
        )
        token = links_of_request.set((Link(accepted),))
        await transport.post(PATH, "a-made-up-token", b"{}", key="k")
        links_of_request.reset(token)
    [span] = exporter.get_finished_spans()
    assert span.parent == accepted
    assert [link.context for link in span.links] == [accepted]
