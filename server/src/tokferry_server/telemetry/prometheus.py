"""The endpoint that Prometheus scrapes: ``http://HOST:PORT/metrics``."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tokferry_server.telemetry.export import TelemetryError

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricReader


def scraped_at(address: str) -> "tuple[MetricReader, Callable[[], None]]":
    """Listen at ``host:port``; give what feeds the endpoint, and what closes it.

    Raises:
        TelemetryError: the extra is not installed, or the address cannot be used.
    """
    try:
        from opentelemetry.exporter.prometheus import PrometheusMetricReader
        from prometheus_client import CollectorRegistry, start_http_server
    except ImportError:
        raise TelemetryError(
            "server.metrics needs Prometheus: pip install 'tokferry-server[prometheus]'"
        ) from None
    host, _, port = address.rpartition(":")
    registry = CollectorRegistry()
    try:
        server, thread = start_http_server(
            int(port), host.strip("[]"), registry=registry
        )
    except OSError as error:
        raise TelemetryError(
            f"server.metrics: cannot listen on {address}: {error.strerror}"
        ) from None

    def close() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    reader = PrometheusMetricReader(scope_info_enabled=False, registry=registry)
    return reader, close
