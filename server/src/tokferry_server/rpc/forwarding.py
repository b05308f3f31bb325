"""Forward's work behind the call: outcomes to parcels, deliveries to results."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from tokferry.v1 import (
    ChunkResult,
    Delivery,
    DeliveryReason,
    EventResult,
    ForwardResponse,
    ForwardTotals,
)
from tokferry.v1 import Outcome as OutcomeMessage
from tokferry_server.delivery.group import Parcel
from tokferry_server.delivery.outbox.interface import Put, State
from tokferry_server.delivery.result import DeliveryResult
from tokferry_server.mapping.outcome import Drop, DropReason, MappingWarning, Outcome
from tokferry_server.rpc.write_proto import write_drop, write_warnings
from tokferry_server.tiktok import reasons
from tokferry_server.tiktok.wire import Route, WireFormat

Reply = ForwardResponse | ChunkResult
"""Whatever carries a result for each event, and their totals."""

T = TypeVar("T")

_OUTCOMES = {
    name: OutcomeMessage.Value(f"OUTCOME_{name.upper()}")
    for name in ForwardTotals.DESCRIPTOR.fields_by_name
    if name != "received"
}
_ENDINGS = {
    ending: OutcomeMessage.Value(f"OUTCOME_{ending.name}") for ending in reasons.Outcome
}
_STATES = {
    State.PENDING: OutcomeMessage.OUTCOME_ACCEPTED,
    State.DELIVERED: OutcomeMessage.OUTCOME_DELIVERED,
    State.DEAD: OutcomeMessage.OUTCOME_REJECTED,
}
_WORST_FIRST = (
    OutcomeMessage.OUTCOME_REJECTED,
    OutcomeMessage.OUTCOME_UNKNOWN,
    OutcomeMessage.OUTCOME_RETRYABLE,
    OutcomeMessage.OUTCOME_ACCEPTED,
    OutcomeMessage.OUTCOME_DELIVERED,
    OutcomeMessage.OUTCOME_VALIDATED,
)


class Prepared(msgspec.Struct, frozen=True, gc=False):
    """What became of one input event, with its TikTok events encoded.

    It holds no more than its answer needs: many wait at a time for TikTok or the disk.
    A struct, as ``Parcel`` is.
    """

    batch: int
    event: int | None
    drop: Drop | None
    warnings: tuple[MappingWarning, ...]
    parcels: tuple[Parcel, ...]


def drop_old(
    outcomes: Iterable[Outcome], *, max_age_seconds: float | None, now: float
) -> Iterator[Outcome]:
    """Drop events older than the connection allows; ``now`` is in Unix seconds."""
    earliest_ms = None if max_age_seconds is None else (now - max_age_seconds) * 1000
    for outcome in outcomes:
        if earliest_ms is not None and any(
            mapped.time_ms < earliest_ms for mapped in outcome.events
        ):
            drop = Drop(DropReason.TOO_OLD, "event.timestamp_unixtime_ms")
            yield replace(outcome, events=(), drop=drop)
        else:
            yield outcome


def prepare(
    outcomes: Iterable[Outcome], route: Route, wire: WireFormat
) -> Iterator[Prepared]:
    """Encode every mapped event once; these bytes are what is sent."""
    encode = wire.encode_event
    for outcome in outcomes:
        parcels = [
            Parcel(
                route=route,
                event=mapped.event.event,
                event_id=mapped.event.event_id or "",
                body=encode(mapped.event, mapped.time_ms),
                time_ms=mapped.time_ms,
            )
            for mapped in outcome.events
        ]
        yield Prepared(
            outcome.batch,
            outcome.event,
            outcome.drop,
            outcome.warnings,
            tuple(parcels),
        )


def parcels_of(prepared: Iterable[Prepared]) -> list[Parcel]:
    """Give what is to be sent, in input order."""
    return [parcel for one in prepared for parcel in one.parcels]


def write_delivered(
    prepared: Sequence[Prepared], results: Sequence[DeliveryResult], reply: Reply
) -> None:
    """Write one result for each input event, in input order."""
    _write(prepared, results, _delivered, reply)


def write_stored(
    prepared: Sequence[Prepared], puts: Sequence[Put], reply: Reply
) -> None:
    """Write what the outbox promises: accepted, or where the first copy stands."""
    _write(prepared, puts, _stored, reply)


def write_validated(prepared: Sequence[Prepared], reply: Reply) -> None:
    """Write what would be sent, for a call that only validates."""
    bodies = [parcel.body for parcel in parcels_of(prepared)]
    _write(prepared, bodies, _validated, reply)


def add_totals(sums: ForwardTotals, totals: ForwardTotals) -> None:
    """Add counts to running sums."""
    for field, count in totals.ListFields():
        setattr(sums, field.name, getattr(sums, field.name) + count)


def _write(
    prepared: Sequence[Prepared],
    ends: Iterable[T],
    fill: Callable[[Delivery, T], None],
    reply: Reply,
) -> None:
    """Write a result for each event; ``fill`` writes how one of its parcels ended."""
    counts = dict.fromkeys(_OUTCOMES.values(), 0)
    remaining = iter(ends)
    add = reply.results.add
    for one in prepared:
        result = add(batch=one.batch, event=one.event)
        if one.warnings:
            result.warnings.extend(write_warnings(one.warnings))
        if one.drop is not None:
            result.outcome = OutcomeMessage.OUTCOME_DROPPED
            result.drop.CopyFrom(write_drop(one.drop))
        else:
            for parcel in one.parcels:
                delivery = result.deliveries.add(
                    event=parcel.event, event_id=parcel.event_id
                )
                fill(delivery, next(remaining))
            result.outcome = _worst(result)
        counts[result.outcome] += 1
    reply.totals.received = len(prepared)
    for name, outcome in _OUTCOMES.items():
        setattr(reply.totals, name, counts[outcome])


def _worst(result: EventResult) -> "OutcomeMessage.ValueType":
    outcomes = [delivery.outcome for delivery in result.deliveries]
    return outcomes[0] if len(outcomes) == 1 else min(outcomes, key=_WORST_FIRST.index)


def _stored(delivery: Delivery, put: Put) -> None:
    delivery.outcome = _STATES[put.state]
    if put.duplicate:
        delivery.duplicate = True


def _validated(delivery: Delivery, body: bytes) -> None:
    delivery.outcome = OutcomeMessage.OUTCOME_VALIDATED
    delivery.json = body


def _delivered(delivery: Delivery, result: DeliveryResult) -> None:
    delivery.outcome = _ENDINGS[result.outcome]
    delivery.attempts = result.attempts
    if result.code is not None:
        delivery.code = result.code
    if result.http_status is not None:
        delivery.http_status = result.http_status
    if result.message is not None:
        delivery.message = result.message
    if result.field:
        delivery.field = result.field
    if result.request_id:
        delivery.request_id = result.request_id
    if result.reason is not None:
        delivery.reason = DeliveryReason.Value(f"DELIVERY_REASON_{result.reason.name}")
