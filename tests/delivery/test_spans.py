from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tokferry_server.delivery import Timeouts, Transport
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
        timeouts=Timeouts(read=0.2),
        tracer_provider=provider,
    ) as transport:
        body = b'{"data":[{"event":"jo@example.com"}]}'
        await transport.post(PATH, "a-made-up-token", body, key="k", resend=resend)
    [span] = exporter.get_finished_spans()
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
