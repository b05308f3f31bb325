"""A service whose spans and metrics are kept in memory, beside a sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tokferry import AsyncClient
from tokferry_server.assembly import Assembled, assembled
from tokferry_server.sandbox.server import Sandbox
from tokferry_server.settings import settings_from_mapping

TOKEN = "a-made-up-token"


@dataclass
class Seen:
    """A service and what it shows of itself."""

    client: AsyncClient
    sandbox: Sandbox
    service: Assembled
    spans: InMemorySpanExporter
    reader: InMemoryMetricReader

    @property
    def finished(self) -> tuple[ReadableSpan, ...]:
        """Give the spans that have ended: that of a call, soon after its answer."""
        return self.spans.get_finished_spans()

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """Give attributes and value of every point of an instrument."""
        data = self.reader.get_metrics_data()
        return [
            (dict(point.attributes or {}), point)
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def values(self, name: str, *attributes: str) -> dict[Any, Any]:
        """Give the values that are not 0, by those of some attributes."""
        found = {}
        for given, point in self.points(name):
            key = tuple(given.get(f"tokferry.{one}") for one in attributes)
            value = getattr(point, "value", None) or getattr(point, "count", 0)
            if value:
                found[key if len(key) > 1 else key[0] if key else None] = value
        return found


Watch = Callable[..., Awaitable[Seen]]


@pytest.fixture
async def watch(tmp_path: Path) -> AsyncIterator[Watch]:
    """Give a function that starts a service, with settings of its connection."""
    (tmp_path / "token").write_text(TOKEN)
    async with AsyncExitStack() as stack:

        async def start(
            *,
            outbox: bool = False,
            processors: Iterable[Any] = (),
            sandbox: dict[str, Any] | None = None,
            **settings: Any,
        ) -> Seen:
            tiktok = await stack.enter_async_context(
                Sandbox(**{"token": TOKEN, **(sandbox or {})})
            )
            spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
            tracers, meters = TracerProvider(), MeterProvider([reader])
            for processor in (SimpleSpanProcessor(spans), *processors):
                tracers.add_span_processor(processor)
            loaded = settings_from_mapping(
                {
                    "tiktok": {"base_url": tiktok.url, "allow_loopback": True},
                    "connections": {
                        "shop": {
                            "pixel_id": "C4MADEUPPIXEL0000001",
                            "access_token": {"file": str(tmp_path / "token")},
                            **settings,
                        }
                    },
                    **({"outbox": {}} if outbox else {}),
                },
                folder=tmp_path,
            )
            service = await stack.enter_async_context(
                assembled(loaded, tracer_provider=tracers, meter_provider=meters)
            )
            port = await service.server.start("127.0.0.1:0")
            stack.push_async_callback(service.server.drain)
            await service.admin.start()
            client = await stack.enter_async_context(AsyncClient(f"127.0.0.1:{port}"))
            return Seen(client, tiktok, service, spans, reader)

        yield start


async def until(true: Callable[[], object], seconds: float = 15.0) -> None:
    """Wait until something holds."""
    for _ in range(int(seconds * 20)):
        if true():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never came true")
