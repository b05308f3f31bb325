"""Forward's work behind the call: outcomes to parcels, deliveries to results."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tokferry.v1 import (
    Delivery,
    DeliveryReason,
    EventResult,
    ForwardTotals,
)
from tokferry.v1 import Outcome as OutcomeMessage
from tokferry_server.delivery.group import Parcel
from tokferry_server.delivery.outbox.interface import Put, State
from tokferry_server.delivery.result import DeliveryResult
from tokferry_server.mapping.outcome import Drop, DropReason, MappedEvent, Outcome
from tokferry_server.rpc.write_proto import write_drop, write_warnings
from tokferry_server.tiktok.wire import Route, WireFormat

_WORST_FIRST = (
    OutcomeMessage.OUTCOME_REJECTED,
    OutcomeMessage.OUTCOME_UNKNOWN,
    OutcomeMessage.OUTCOME_RETRYABLE,
    OutcomeMessage.OUTCOME_ACCEPTED,
    OutcomeMessage.OUTCOME_DELIVERED,
    OutcomeMessage.OUTCOME_VALIDATED,
)


_STATES = {
    State.PENDING: OutcomeMessage.OUTCOME_ACCEPTED,
    State.DELIVERED: OutcomeMessage.OUTCOME_DELIVERED,
    State.DEAD: OutcomeMessage.OUTCOME_REJECTED,
}


@dataclass(frozen=True, slots=True)
class Packed:
    """The outcomes of a request and the parcels made of them, in the same order."""

    outcomes: Sequence[Outcome]
    parcels: Sequence[Parcel]


def drop_old(
    outcomes: Iterable[Outcome], *, max_age_seconds: float | None, now: float
) -> list[Outcome]:
    """Drop events older than the connection allows; ``now`` is in Unix seconds."""
    if max_age_seconds is None:
        return list(outcomes)
    earliest_ms = (now - max_age_seconds) * 1000
    return [
        Outcome(
            batch=outcome.batch,
            event=outcome.event,
            drop=Drop(DropReason.TOO_OLD, "event.timestamp_unixtime_ms"),
            warnings=outcome.warnings,
        )
        if any(mapped.time_ms < earliest_ms for mapped in outcome.events)
        else outcome
        for outcome in outcomes
    ]


def pack(outcomes: Sequence[Outcome], route: Route, wire: WireFormat) -> Packed:
    """Encode every mapped event once; these bytes are what is sent."""
    parcels = [
        Parcel(
            route=route,
            event=mapped.event.event,
            event_id=mapped.event.event_id or "",
            body=wire.encode_event(mapped.event, mapped.time_ms),
        )
        for outcome in outcomes
        for mapped in outcome.events
    ]
    return Packed(outcomes, parcels)


def write_delivered(
    packed: Packed, results: Sequence[DeliveryResult]
) -> list[EventResult]:
    """Write one result for each input event, in input order."""
    remaining = iter(results)
    written = []
    for outcome in packed.outcomes:
        deliveries = [_delivery(mapped, next(remaining)) for mapped in outcome.events]
        written.append(_event_result(outcome, deliveries))
    return written


def write_stored(packed: Packed, puts: Sequence[Put]) -> list[EventResult]:
    """Write what the outbox promises: accepted, or where the first copy stands."""
    remaining = iter(puts)
    written = []
    for outcome in packed.outcomes:
        deliveries = []
        for mapped in outcome.events:
            put = next(remaining)
            deliveries.append(
                Delivery(
                    event=mapped.event.event,
                    event_id=mapped.event.event_id or "",
                    outcome=_STATES[put.state],
                    duplicate=put.duplicate,
                )
            )
        written.append(_event_result(outcome, deliveries))
    return written


def write_validated(packed: Packed) -> list[EventResult]:
    """Write what would be sent, for a call that only validates."""
    remaining = iter(packed.parcels)
    written = []
    for outcome in packed.outcomes:
        deliveries = [
            Delivery(
                event=parcel.event,
                event_id=parcel.event_id,
                outcome=OutcomeMessage.OUTCOME_VALIDATED,
                json=parcel.body,
            )
            for parcel in (next(remaining) for _ in outcome.events)
        ]
        written.append(_event_result(outcome, deliveries))
    return written


def totals(results: Sequence[EventResult]) -> ForwardTotals:
    """Count results by outcome; ``received`` is their sum."""
    counted = ForwardTotals(received=len(results))
    for result in results:
        name = OutcomeMessage.Name(result.outcome).removeprefix("OUTCOME_").lower()
        setattr(counted, name, getattr(counted, name) + 1)
    return counted


def add_totals(sums: ForwardTotals, totals: ForwardTotals) -> None:
    """Add counts to running sums."""
    for field, count in totals.ListFields():
        setattr(sums, field.name, getattr(sums, field.name) + count)


def _event_result(outcome: Outcome, deliveries: list[Delivery]) -> EventResult:
    result = EventResult(
        batch=outcome.batch,
        event=outcome.event,
        outcome=OutcomeMessage.OUTCOME_DROPPED,
        deliveries=deliveries,
        warnings=write_warnings(outcome.warnings),
    )
    if outcome.drop is not None:
        result.drop.CopyFrom(write_drop(outcome.drop))
    else:
        result.outcome = min(
            (delivery.outcome for delivery in deliveries), key=_WORST_FIRST.index
        )
    return result


def _delivery(mapped: MappedEvent, result: DeliveryResult) -> Delivery:
    delivery = Delivery(
        event=mapped.event.event,
        event_id=mapped.event.event_id or "",
        outcome=OutcomeMessage.Value(f"OUTCOME_{result.outcome.name}"),
        code=result.code,
        http_status=result.http_status,
        message=result.message,
        field=result.field or "",
        request_id=result.request_id or "",
        attempts=result.attempts,
    )
    if result.reason is not None:
        delivery.reason = DeliveryReason.Value(f"DELIVERY_REASON_{result.reason.name}")
    return delivery
