"""A receiver of OTLP over gRPC, such as a collector is, that keeps what it gets."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import (
    metrics_service_pb2,
    metrics_service_pb2_grpc,
)
from opentelemetry.proto.collector.trace.v1 import (
    trace_service_pb2,
    trace_service_pb2_grpc,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Receiver:
    """What came; ``raw`` holds every message as its bytes."""

    def __init__(self) -> None:
        self.address = ""
        self.raw: list[bytes] = []
        self._traces: list[Any] = []
        self._metrics: list[Any] = []

    def spans(self, service: str | None = None) -> list[Span]:
        """Give the spans of a service, or all."""
        return [
            span
            for message in self._traces
            for resource in message.resource_spans
            if service in (None, _service(resource))
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def metrics(self) -> set[str]:
        """Give the names of the metrics."""
        return {
            metric.name
            for message in self._metrics
            for resource in message.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def traces(self, request: Any, _context: Any) -> Any:
        """Take spans."""
        self.raw.append(request.SerializeToString())
        self._traces.append(request)
        return trace_service_pb2.ExportTraceServiceResponse()

    def measures(self, request: Any, _context: Any) -> Any:
        """Take metrics."""
        self.raw.append(request.SerializeToString())
        self._metrics.append(request)
        return metrics_service_pb2.ExportMetricsServiceResponse()


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Receive meanwhile, at ``address``, in threads of its own."""
    receiver = Receiver()

    class Traces(trace_service_pb2_grpc.TraceServiceServicer):
        Export = staticmethod(receiver.traces)

    class Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
        Export = staticmethod(receiver.measures)

    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(  # type: ignore[no-untyped-call]
        Traces(), server
    )
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(  # type: ignore[no-untyped-call]
        Metrics(), server
    )
    receiver.address = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield receiver
    finally:
        server.stop(1.0).wait()


def attributes(span: Span) -> dict[str, Any]:
    """Give the attributes of a span."""
    return dict(_pairs(span.attributes))


def _service(resource: Any) -> Any:
    return dict(_pairs(resource.resource.attributes)).get("service.name")


def _pairs(given: Any) -> Iterator[tuple[str, Any]]:
    for one in given:
        yield one.key, getattr(one.value, one.value.WhichOneof("value"))
