"""The table of everything that is measured: the code makes its instruments of it, and
the page of metrics is printed from it.
"""  # noqa: D205  one sentence

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """How an instrument adds up."""

    COUNTER = "counter"
    """A sum that only grows while the service runs."""
    GAUGE = "gauge"
    """The value of now."""
    HISTOGRAM = "histogram"
    """How many values fell into each of some ranges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One instrument. ``unit`` is UCUM; ``bounds`` are the ranges of a histogram."""

    name: str
    kind: Kind
    unit: str
    meaning: str
    attributes: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()

    @property
    def prometheus(self) -> str:
        """The name that Prometheus shows, of a histogram without its suffixes."""
        name = self.name.replace(".", "_")
        unit = _PROMETHEUS_UNITS.get(self.unit, "")
        total = "_total" if self.kind is Kind.COUNTER else ""
        return f"{name}{unit and f'_{unit}'}{total}"


_PROMETHEUS_UNITS: Final = {"s": "seconds", "By": "bytes"}

CONNECTION: Final = "tokferry.connection"
OUTCOME: Final = "tokferry.outcome"
REASON: Final = "tokferry.reason"
INTENDED: Final = "tokferry.intended"
KEY: Final = "tokferry.match_key"
VERDICT: Final = "tokferry.verdict"
STATE: Final = "tokferry.state"
FATE: Final = "tokferry.fate"
METHOD: Final = "rpc.method"
SYSTEM: Final = "rpc.system.name"
STATUS: Final = "rpc.response.status_code"
ERROR: Final = "error.type"

ATTRIBUTES: Final = {
    CONNECTION: "The connection, by its name in the settings.",
    OUTCOME: (
        "What became of an event: an outcome of the protos in lower case, or "
        "`transformed` for one that Transform only showed."
    ),
    REASON: "Why, as the page of reasons lists them; absent if there is no reason.",
    INTENDED: (
        "`true` if an event was dropped because settings or the user's wish say so, "
        "`false` if its data have a fault; absent if it was not dropped."
    ),
    KEY: "A key by which TikTok can match an event to a user, such as `email`.",
    VERDICT: "What TikTok's answer means: `DELIVERED`, `REJECTED`, or a reason.",
    STATE: "`running`, `paused`, `no_token`, `throttled` or `breaker_open`.",
    FATE: (
        "What became of a stored event: `delivered`, `dead`, or `retried`, which "
        "counts each time that it goes back to wait."
    ),
    METHOD: "The method, such as `tokferry.v1.ForwardingService/Forward`.",
    SYSTEM: "Always `grpc`.",
    STATUS: "The status of the call, such as `OK`.",
    ERROR: "The status, if it speaks of a fault of the service.",
}
"""Attribute → its meaning. None holds anything of an event but these names."""

_SECONDS: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0),
)
"""Those that the conventions advise:
https://opentelemetry.io/docs/specs/semconv/rpc/rpc-metrics/"""

CALLS: Final = Instrument(
    name="rpc.server.call.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    meaning="How long calls take; a stream counts once, when it ends.",
    attributes=(SYSTEM, METHOD, STATUS, ERROR),
    bounds=_SECONDS,
)
CALLS_ACTIVE: Final = Instrument(
    name="tokferry.calls.active",
    kind=Kind.GAUGE,
    unit="{call}",
    meaning="Calls under way.",
)
EVENTS: Final = Instrument(
    name="tokferry.events",
    kind=Kind.COUNTER,
    unit="{event}",
    meaning="mParticle events, by what a call answered about each.",
    attributes=(CONNECTION, OUTCOME, REASON, INTENDED),
)
MAPPED: Final = Instrument(
    name="tokferry.mapped",
    kind=Kind.COUNTER,
    unit="{event}",
    meaning="TikTok events that Forward and ForwardStream made.",
    attributes=(CONNECTION,),
)
MATCH_KEYS: Final = Instrument(
    name="tokferry.mapped.match_keys",
    kind=Kind.COUNTER,
    unit="{event}",
    meaning="Those of them that carry a key.",
    attributes=(CONNECTION, KEY),
)
REQUESTS: Final = Instrument(
    name="tokferry.tiktok.request.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    meaning="How long requests to TikTok take; their number is its count.",
    attributes=(CONNECTION, VERDICT),
    bounds=_SECONDS,
)
RESENDS: Final = Instrument(
    name="tokferry.tiktok.resends",
    kind=Kind.COUNTER,
    unit="{request}",
    meaning="Requests with events that were sent before.",
    attributes=(CONNECTION,),
)
IN_FLIGHT: Final = Instrument(
    name="tokferry.tiktok.in_flight",
    kind=Kind.GAUGE,
    unit="{request}",
    meaning="Requests to TikTok under way.",
    attributes=(CONNECTION,),
)
LIMIT: Final = Instrument(
    name="tokferry.tiktok.limit",
    kind=Kind.GAUGE,
    unit="{request}",
    meaning="How many of the outbox's requests may be under way at a time.",
    attributes=(CONNECTION,),
)
THROTTLED: Final = Instrument(
    name="tokferry.tiktok.throttled",
    kind=Kind.GAUGE,
    unit="s",
    meaning="For how long requests still wait because TikTok's rate limit was reached.",
    attributes=(CONNECTION,),
)
STATES: Final = Instrument(
    name="tokferry.connection.state",
    kind=Kind.GAUGE,
    unit="",
    meaning="1 for the state in which the outbox delivers, 0 for the others.",
    attributes=(CONNECTION, STATE),
)
FATES: Final = Instrument(
    name="tokferry.outbox.events",
    kind=Kind.COUNTER,
    unit="{event}",
    meaning="TikTok events from the outbox, by what became of them.",
    attributes=(CONNECTION, FATE),
)
DEPTH: Final = Instrument(
    name="tokferry.outbox.depth",
    kind=Kind.GAUGE,
    unit="{event}",
    meaning="TikTok events that wait in the outbox.",
    attributes=(CONNECTION,),
)
SIZE: Final = Instrument(
    name="tokferry.outbox.size",
    kind=Kind.GAUGE,
    unit="By",
    meaning="The bytes of those events.",
    attributes=(CONNECTION,),
)
OLDEST: Final = Instrument(
    name="tokferry.outbox.oldest_age",
    kind=Kind.GAUGE,
    unit="s",
    meaning="For how long the oldest of them has waited; 0 if none waits.",
    attributes=(CONNECTION,),
)
DEAD: Final = Instrument(
    name="tokferry.outbox.dead_letters",
    kind=Kind.GAUGE,
    unit="{event}",
    meaning="Dead letters kept.",
    attributes=(CONNECTION,),
)
FILLED: Final = Instrument(
    name="tokferry.outbox.filled",
    kind=Kind.GAUGE,
    unit="",
    meaning="How full the outbox is: at 1 it refuses; rows or bytes, what is more.",
)
LAG: Final = Instrument(
    name="tokferry.event_loop.lag",
    kind=Kind.HISTOGRAM,
    unit="s",
    meaning="By how much the event loop comes late, looked at four times a second.",
    bounds=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
MEMORY: Final = Instrument(
    name="process.memory.usage",
    kind=Kind.GAUGE,
    unit="By",
    meaning="Resident memory of the process (on Linux).",
)

INSTRUMENTS: Final = (
    *(CALLS, CALLS_ACTIVE, EVENTS, MAPPED, MATCH_KEYS),
    *(REQUESTS, RESENDS, IN_FLIGHT, LIMIT, THROTTLED, STATES),
    *(FATES, DEPTH, SIZE, OLDEST, DEAD, FILLED, LAG, MEMORY),
)
