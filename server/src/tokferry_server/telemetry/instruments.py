"""What the service records while it works, bound to the table of instruments."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache

import grpc
from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Histogram, MeterProvider, Observation

from tokferry.v1 import DeliveryReason, DropReason
from tokferry.v1 import Outcome as OutcomeMessage
from tokferry_server.mapping.outcome import DropReason as MappingDrop
from tokferry_server.mapping.outcome import Outcome
from tokferry_server.telemetry import metrics as table
from tokferry_server.telemetry.coverage import CoverageTally
from tokferry_server.telemetry.metrics import Instrument, Kind
from tokferry_server.telemetry.tally import Tally
from tokferry_server.tiktok.answer import Answer
from tokferry_server.tiktok.reasons import DeliveryReason as Reason
from tokferry_server.tiktok.verdict import Verdict
from tokferry_server.tiktok.verdicts import classify

Observe = Callable[[CallbackOptions], Iterable[Observation]]
_INTENDED = {reason.name: reason.intended for reason in MappingDrop}
_OUTCOMES = (
    *("delivered", "accepted", "dropped", "rejected", "retryable", "unknown"),
    *("validated", "transformed"),
)
_DROPPED = OutcomeMessage.OUTCOME_DROPPED
_GOOD = (
    OutcomeMessage.OUTCOME_DELIVERED,
    OutcomeMessage.OUTCOME_ACCEPTED,
    OutcomeMessage.OUTCOME_VALIDATED,
)
SERVER_FAULTS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""The statuses that mark a call as failed:
https://opentelemetry.io/docs/specs/semconv/rpc/grpc/"""


@cache
def _call_attributes(method: str, code: grpc.StatusCode) -> dict[str, str]:
    attributes = {table.SYSTEM: "grpc", table.METHOD: method, table.STATUS: code.name}
    if code in SERVER_FAULTS:
        attributes[table.ERROR] = code.name
    return attributes


class Instruments:
    """Counts calls, events and requests; each method is called once for many events.

    ``connections`` are the names of the settings; ``alarm`` is told of a verdict that
    says that nothing of a connection can pass. ``provider`` None takes the process's.
    """

    def __init__(
        self,
        connections: Iterable[str] = (),
        *,
        provider: MeterProvider | None = None,
        alarm: Callable[[str, Reason], None] = lambda _name, _reason: None,
    ) -> None:
        self._alarm = alarm
        self._meter = metrics.get_meter("tokferry", meter_provider=provider)
        self._calls = self.histogram(table.CALLS)
        self._requests = self.histogram(table.REQUESTS)
        self._events = self.tally(table.EVENTS)
        self._resends = self.tally(table.RESENDS)
        self._in_flight = self.tally(table.IN_FLIGHT)
        self._active = self.tally(table.CALLS_ACTIVE)
        self._coverage = CoverageTally()
        self.observe(table.MAPPED, self._coverage.mapped)
        self.observe(table.MATCH_KEYS, self._coverage.keys)
        self._active.add(number=0)
        for name in connections:  # a rate needs a beginning
            self._resends.add(name, number=0)
            self._in_flight.add(name, number=0)
            for outcome in _OUTCOMES:
                self._events.add(name, outcome, "", "", number=0)

    def histogram(self, instrument: Instrument) -> Histogram:
        """Give a histogram to record values in as this instrument."""
        return self._meter.create_histogram(
            instrument.name,
            unit=instrument.unit,
            description=instrument.meaning,
            explicit_bucket_boundaries_advisory=instrument.bounds,
        )

    def tally(self, instrument: Instrument) -> Tally:
        """Give a tally that is read as this instrument."""
        tally = Tally(instrument)
        self.observe(instrument, tally.observe)
        return tally

    def observe(self, instrument: Instrument, callback: Observe) -> None:
        """Have the values of an instrument asked for when they are collected."""
        create = (
            self._meter.create_observable_counter
            if instrument.kind is Kind.COUNTER
            else self._meter.create_observable_gauge
        )
        create(
            instrument.name,
            callbacks=[callback],
            unit=instrument.unit,
            description=instrument.meaning,
        )

    def call_begun(self) -> None:
        """Count a call under way."""
        self._active.add()

    def call_ended(
        self, method: str, code: grpc.StatusCode, seconds: float
    ) -> dict[str, str]:
        """Note a call that was under way; give the attributes that it is noted with."""
        attributes = _call_attributes(method, code)
        self._active.add(number=-1)
        self._calls.record(seconds, attributes)
        return attributes

    def transformed(self, connection: str, outcomes: Iterable[Outcome]) -> None:
        """Count the events of a Transform; without a connection under no name."""
        counts: dict[MappingDrop | None, int] = {}
        for outcome in outcomes:
            drop = None if outcome.drop is None else outcome.drop.reason
            counts[drop] = counts.get(drop, 0) + 1
        for drop, number in counts.items():
            self._events.add(connection, *_transformed(drop), number=number)

    def mapped(self, connection: str, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """Count what Forward maps while it passes through."""
        return self._coverage.counted(connection, outcomes)

    def forwarded(self, connection: str, kinds: Mapping[tuple[int, int], int]) -> None:
        """Count the events of a Forward, or of a chunk.

        ``kinds`` says how many there are of an outcome, with the reason of the drop or
        of the worst delivery.
        """
        for kind, number in kinds.items():
            self._events.add(connection, *_names(*kind), number=number)

    def begun(self, key: str) -> None:
        """Count a request to TikTok under way."""
        self._in_flight.add(key)

    def ended(self, key: str, answer: Answer, seconds: float, *, resend: int) -> None:
        """Note a request to TikTok that was under way."""
        verdict = classify(answer)
        self._in_flight.add(key, number=-1)
        if resend:
            self._resends.add(key)
        self._requests.record(seconds, _request_attributes(key, _name(verdict)))
        if verdict.pause and verdict.reason is not None:
            self._alarm(key, verdict.reason)


@cache
def _transformed(drop: MappingDrop | None) -> tuple[str, str, str]:
    if drop is None:
        return "transformed", "", ""
    return "dropped", drop.name, "true" if drop.intended else "false"


@cache
def _names(outcome: "OutcomeMessage.ValueType", reason: int) -> tuple[str, str, str]:
    name = OutcomeMessage.Name(outcome).removeprefix("OUTCOME_").lower()
    if outcome == _DROPPED:
        drop = DropReason.Name(reason).removeprefix("DROP_REASON_")  # type: ignore[arg-type]
        return name, drop, "true" if _INTENDED.get(drop) else "false"
    if not reason or outcome in _GOOD:
        return name, "", ""
    full = DeliveryReason.Name(reason)  # type: ignore[arg-type]
    return name, full.removeprefix("DELIVERY_REASON_"), ""


@cache
def _request_attributes(key: str, verdict: str) -> dict[str, str]:
    return {table.CONNECTION: key, table.VERDICT: verdict}


def _name(verdict: Verdict) -> str:
    return str(verdict.reason or verdict.outcome)
