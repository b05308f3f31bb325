"""The page of metrics and traces: every instrument, every attribute."""

from collections.abc import Iterator

from tables import code, table

from tokferry_server.telemetry.metrics import ATTRIBUTES, INSTRUMENTS, Kind
from tokferry_server.telemetry.tracing import SPAN_ATTRIBUTES

INTRODUCTION = """\
What the service measures. With the extra `tokferry-server[prometheus]` and the setting
`server.metrics`, Prometheus finds it under `/metrics`; with `tokferry-server[otlp]` it
goes where the standard variables of
[OpenTelemetry](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/)
say, such as `OTEL_EXPORTER_OTLP_ENDPOINT`. Both may be used at once.

No metric holds anything of an event but the names listed here.
"""
TRACES = """\
Traces go by OTLP only. A call has a span if its caller's has been sampled, or if
`OTEL_TRACES_SAMPLER` chooses it; each batch of work below it has one (`map`), and each
request to TikTok (`POST`). Events of a DURABLE call are sent after it: their requests
belong to the trace of the first call that accepted one of them, and are linked to all.

Spans hold these attributes and no others, and no events:
"""
_SUFFIX = {Kind.HISTOGRAM: "_bucket", Kind.COUNTER: "", Kind.GAUGE: ""}


def metrics_page() -> str:
    """Give the page."""
    lines = ["# Metrics and traces", "", INTRODUCTION, "## Metrics", ""]
    lines += table(("name", "in Prometheus", "kind", "attributes", "meaning"), _rows())
    lines += ["In Prometheus the dots of names and attributes are underscores.", ""]
    lines += ["## Attributes", ""]
    lines += table(
        ("attribute", "meaning"),
        ((code(name), meaning) for name, meaning in ATTRIBUTES.items()),
    )
    lines += ["## Traces", "", TRACES]
    lines += [f"- {code(name)}" for name in sorted(SPAN_ATTRIBUTES)]
    return "\n".join([*lines, ""])


def _rows() -> Iterator[tuple[str, ...]]:
    for one in INSTRUMENTS:
        yield (
            code(one.name),
            code(one.prometheus + _SUFFIX[one.kind]),
            one.kind,
            ", ".join(map(code, one.attributes)),
            one.meaning,
        )
