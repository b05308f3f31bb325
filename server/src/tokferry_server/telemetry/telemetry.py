"""What the rest of the service is given to make itself seen."""

from collections.abc import Callable, Iterable

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from tokferry_server.telemetry.instruments import Instruments
from tokferry_server.telemetry.tracing import BatchSpans, CallWatch
from tokferry_server.tiktok.reasons import DeliveryReason


class Telemetry:
    """Instruments and spans of one service; a provider of None is the process's own.

    ``connections`` are the names of the settings; ``alarm`` is told when TikTok lets
    nothing of a connection pass.
    """

    def __init__(
        self,
        connections: Iterable[str] = (),
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        alarm: Callable[[str, DeliveryReason], None] = lambda _name, _reason: None,
    ) -> None:
        self.tracer_provider = tracer_provider
        self.instruments = Instruments(
            connections, provider=meter_provider, alarm=alarm
        )
        self.spans = BatchSpans(tracer_provider)

    def watch(self) -> CallWatch:
        """Give what watches the calls of a server."""
        return CallWatch(self.instruments, self.tracer_provider)
