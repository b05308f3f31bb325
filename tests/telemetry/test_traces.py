"""A trace goes from the caller's own span to each request to TikTok, by OTLP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from made_up import batch, purchase
from telemetry.conftest import TOKEN, Watch, until
from telemetry.process import served, settings_file
from telemetry.receiver import Receiver, attributes, receiving
from tokferry import AsyncClient
from tokferry_server.sandbox.faults import Fault
from tokferry_server.sandbox.server import Sandbox
from tokferry_server.telemetry.metrics import INSTRUMENTS
from tokferry_server.telemetry.tracing import SPAN_ATTRIBUTES

FORWARD = "tokferry.v1.ForwardingService/Forward"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def caller(receiver: Receiver) -> TracerProvider:
    """Give what makes the caller's spans, which go to the same receiver."""
    provider = TracerProvider(resource=Resource({"service.name": "shop-backend"}))
    exporter = OTLPSpanExporter(endpoint=receiver.address, insecure=True)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


def one(spans: list[Any], name: str) -> Any:
    [found] = [span for span in spans if span.name == name]
    return found


async def test_a_trace_leads_from_the_caller_to_each_request(
    receiver: Receiver, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    provider = caller(receiver)
    tracer = provider.get_tracer("test")
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
    }
    faults = [Fault(reply="code", code=50000)]
    async with Sandbox(token=TOKEN, faults=faults) as sandbox:
        file = settings_file(tmp_path, sandbox.url)
        async with (
            served(file, environment) as service,
            AsyncClient(service.target) as client,
        ):
            with tracer.start_as_current_span("sync order"):
                await client.forward(batch(purchase(1)), connection="shop")
            with tracer.start_as_current_span("durable order"):
                await client.forward(
                    batch(purchase(2)), connection="shop", mode="durable"
                )
            await until(lambda: sandbox.counts.taken >= 2)
            await until(lambda: {"tokferry.outbox.depth"} <= receiver.metrics())
        provider.shutdown()

    ours, theirs = receiver.spans("tokferry"), receiver.spans("shop-backend")
    for order in ("sync order", "durable order"):
        root = one(theirs, order)
        family = [span for span in ours if span.trace_id == root.trace_id]
        server = one(family, FORWARD)
        assert server.parent_span_id == root.span_id
        assert one(family, "map").parent_span_id == server.span_id
        posts = [span for span in family if span.name == "POST"]
        assert {span.parent_span_id for span in posts} == {server.span_id}
        codes = [attributes(span)["tokferry.tiktok.code"] for span in posts]
        links = [(link.trace_id, link.span_id) for span in posts for link in span.links]
        if order == "sync order":
            assert codes == [50000, 0]
            assert attributes(posts[1])["http.request.resend_count"] == 1
            assert links == []
        else:
            assert codes == [0]
            assert links == [(server.trace_id, server.span_id)]
    for span in ours:
        assert attributes(span).keys() <= SPAN_ATTRIBUTES
        assert not span.events
    assert receiver.metrics() <= {instrument.name for instrument in INSTRUMENTS}


async def test_a_request_is_linked_to_every_call_whose_events_it_holds(
    watch: Watch,
) -> None:
    seen = await watch(outbox=True)
    assert seen.service.durable is not None
    seen.service.durable.pauses.pause("shop", "a test")
    await seen.service.durable.worker.look()
    for number in range(3):
        await seen.client.forward(
            batch(purchase(2 * number), purchase(2 * number + 1)),
            connection="shop",
            mode="durable",
        )
    seen.service.durable.pauses.resume("shop")
    await until(lambda: "POST" in {span.name for span in seen.finished})
    spans = seen.finished
    calls = [span.context for span in spans if span.name == FORWARD]
    [post] = [span for span in spans if span.name == "POST"]
    assert [link.context.span_id for link in post.links] == [
        context.span_id for context in calls if context
    ]
    assert post.parent is not None
    assert calls[0] is not None
    assert post.parent.span_id == calls[0].span_id


async def test_a_call_that_is_not_sampled_makes_no_spans(watch: Watch) -> None:
    seen = await watch(outbox=True)
    unsampled = TracerProvider(sampler=ALWAYS_OFF).get_tracer("test")
    with unsampled.start_as_current_span("quiet"):
        await seen.client.forward(batch(purchase(1)), connection="shop")
        await seen.client.forward(batch(purchase(2)), connection="shop", mode="durable")
    await until(lambda: seen.sandbox.counts.taken == 2)
    assert seen.finished == ()


async def test_a_call_that_fails_names_its_status(watch: Watch) -> None:
    seen = await watch()
    with pytest.raises(Exception, match="no such connection"):
        await seen.client.forward(batch(purchase(1)), connection="nowhere")
    await until(lambda: seen.finished)  # a span ends when its call has been answered
    [span] = seen.finished
    assert span.attributes is not None
    assert span.attributes["rpc.response.status_code"] == "FAILED_PRECONDITION"
    assert "error.type" not in span.attributes
