"""Where traces and metrics go: as the standard ``OTEL_*`` variables say, and, for
metrics, to whoever scrapes the Prometheus endpoint.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""  # noqa: D205  one sentence

import os
import socket
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from opentelemetry import metrics, trace

from tokferry_server.telemetry.allow_list import AllowListExporter
from tokferry_server.telemetry.tracing import SPAN_ATTRIBUTES

_NAME = "service.name"


class TelemetryError(RuntimeError):
    """Telemetry cannot go where it was told to; the text says what to do."""


def configure_from_environment(prometheus: str | None = None) -> Callable[[], None]:
    """Send traces and metrics where the environment says; without it, nowhere.

    ``prometheus`` is the ``host:port`` at which metrics are to be scraped. Call what
    is given back at the end: it sends what is still waiting.

    Raises:
        TelemetryError: an exporter is not known, not installed, or cannot listen.
    """
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return _nothing
    shutdowns = [*_traces(_exporter("traces"))]
    shutdowns += _metrics(_exporter("metrics"), prometheus)

    def shut_down() -> None:
        for shutdown in shutdowns:
            shutdown()

    return shut_down


def _exporter(signal: str) -> str | None:
    """Name the exporter of a signal: by its variable, or OTLP if an endpoint is set."""
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    named = os.environ.get(variable, "").strip().lower()
    if named not in ("", "otlp", "console", "none"):
        raise TelemetryError(
            f"{variable}: use otlp, console or none"
            + ("; for Prometheus, set server.metrics" if named == "prometheus" else "")
        )
    endpoints = (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT",
    )
    if named == "none":
        return None
    return named or ("otlp" if any(map(os.environ.get, endpoints)) else None)


def _traces(exporter: str | None) -> list[Callable[[], None]]:
    if exporter is None:
        return []
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

    from tokferry_server.telemetry.lean import LeanProvider

    settings = TracerProvider(resource=_resource(), shutdown_on_exit=False)
    if exporter == "console":
        sink = AllowListExporter(ConsoleSpanExporter(), SPAN_ATTRIBUTES)
        processor: SpanProcessor = BatchSpanProcessor(sink)
    else:
        otlp = _imported("tokferry_server.telemetry.otlp")
        processor = otlp.span_processor(settings.resource)
    provider = LeanProvider(settings, processor)
    trace.set_tracer_provider(provider)
    return [provider.shutdown]


def _metrics(exporter: str | None, prometheus: str | None) -> list[Callable[[], None]]:
    if exporter is None and prometheus is None:
        return []
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import (
        ConsoleMetricExporter,
        MetricReader,
        PeriodicExportingMetricReader,
    )

    readers: list[MetricReader] = []
    shutdowns: list[Callable[[], None]] = []
    if exporter is not None:
        console = exporter == "console"
        sink = ConsoleMetricExporter() if console else _otlp_metrics()
        readers.append(PeriodicExportingMetricReader(sink))
    if prometheus is not None:
        from tokferry_server.telemetry.prometheus import scraped_at

        reader, stop = scraped_at(prometheus)
        readers.append(reader)
        shutdowns.append(stop)
    provider = MeterProvider(readers, resource=_resource())
    metrics.set_meter_provider(provider)
    return [*shutdowns, provider.shutdown]


def _otlp_metrics() -> Any:
    module = "opentelemetry.exporter.otlp.proto.grpc.metric_exporter"
    return _imported(module).OTLPMetricExporter()


def _imported(module: str) -> Any:
    """Give a module that needs the OTLP exporter."""
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError:
        raise TelemetryError(
            "OTEL_* asks for an OTLP exporter: pip install 'tokferry-server[otlp]'"
        ) from None


def _resource() -> Any:
    from opentelemetry.sdk.resources import Resource

    own = {
        "service.version": version("tokferry-server"),
        "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
    }
    named = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if "OTEL_SERVICE_NAME" not in os.environ and f"{_NAME}=" not in named:
        own[_NAME] = "tokferry"
    return Resource.create(own)


def _nothing() -> None:
    """There is nothing to send."""
