"""Forward's work behind the call: outcomes to parcels, deliveries to results."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from tokferry.v1 import (
    ChunkResult,
    DeliveryReason,
    ForwardResponse,
    ForwardTotals,
)
from tokferry.v1 import Outcome as OutcomeMessage
from tokferry_server.delivery.group import Parcel
from tokferry_server.delivery.outbox.interface import Put, State
from tokferry_server.delivery.result import DeliveryResult
from tokferry_server.mapping.outcome import Drop, DropReason, MappingWarning, Outcome
from tokferry_server.rpc.write_proto import (
    DROP_REASONS,
    Members,
    write_drop,
    write_warnings,
)
from tokferry_server.tiktok import reasons
from tokferry_server.tiktok.wire import Route, WireFormat

Reply = ForwardResponse | ChunkResult
"""Whatever carries a result for each event, and their totals."""

Kinds = dict[tuple[int, int], int]
"""How many events ended so: an outcome with the reason of the drop or of the worst
delivery, both as their enums number them."""

_NAMES: dict[int, str] = {
    OutcomeMessage.Value(f"OUTCOME_{name.upper()}"): name
    for name in ForwardTotals.DESCRIPTOR.fields_by_name
    if name != "received"
}
_REASONS = {
    reason: DeliveryReason.Value(f"DELIVERY_REASON_{reason.name}")
    for reason in reasons.DeliveryReason
}
_ENDINGS = {
    ending: OutcomeMessage.Value(f"OUTCOME_{ending.name}") for ending in reasons.Outcome
}
_STATES = {
    State.PENDING: OutcomeMessage.OUTCOME_ACCEPTED,
    State.DELIVERED: OutcomeMessage.OUTCOME_DELIVERED,
    State.DEAD: OutcomeMessage.OUTCOME_REJECTED,
}
_DROPPED = OutcomeMessage.OUTCOME_DROPPED
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


def drop_old(outcomes: Iterable[Outcome], *, earliest_ms: float) -> Iterator[Outcome]:
    """Drop events older than ``earliest_ms``, which is in Unix milliseconds."""
    for outcome in outcomes:
        if any(mapped.time_ms < earliest_ms for mapped in outcome.events):
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
        parcels = []
        # Not a comprehension, which is one more call on CPython 3.11.
        for mapped in outcome.events:
            event, time_ms = mapped.event, mapped.time_ms
            parcel = Parcel(
                route=route,
                event=event.event,
                event_id=event.event_id or "",
                body=encode(event, time_ms),
                time_ms=time_ms,
            )
            parcels.append(parcel)
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
    prepared: Sequence[Prepared], results: Iterable[DeliveryResult], reply: Reply
) -> Kinds:
    """Write one result for each input event, in input order."""
    return _write(prepared, _delivered(results), reply)


def write_stored(
    prepared: Sequence[Prepared], puts: Iterable[Put], reply: Reply
) -> Kinds:
    """Write what the outbox promises: accepted, or where the first copy stands."""
    ends = ({"outcome": _STATES[put.state], "duplicate": put.duplicate} for put in puts)
    return _write(prepared, ends, reply)


def write_validated(prepared: Sequence[Prepared], reply: Reply) -> Kinds:
    """Write what would be sent, for a call that only validates."""
    outcome = OutcomeMessage.OUTCOME_VALIDATED
    ends = ({"outcome": outcome, "json": one.body} for one in parcels_of(prepared))
    return _write(prepared, ends, reply)


def add_totals(sums: ForwardTotals, totals: ForwardTotals) -> None:
    """Add counts to running sums."""
    for field, count in totals.ListFields():
        setattr(sums, field.name, getattr(sums, field.name) + count)


def _write(
    prepared: Sequence[Prepared], ends: Iterable[Members], reply: Reply
) -> Kinds:
    """Write a result for each event; ``ends`` says how each of the parcels ended."""
    kinds: Kinds = {}
    remaining = iter(ends)
    add = reply.results.add
    for one in prepared:
        result: Members = {"batch": one.batch, "event": one.event}
        if one.warnings:
            result["warnings"] = write_warnings(one.warnings)
        if one.drop is not None:
            kind = _DROPPED, DROP_REASONS[one.drop.reason]
            result["drop"] = write_drop(one.drop)
        else:
            deliveries = [
                {**next(remaining), "event": parcel.event, "event_id": parcel.event_id}
                for parcel in one.parcels
            ]
            worst = (
                deliveries[0] if len(deliveries) == 1 else min(deliveries, key=_rank)
            )
            kind = worst["outcome"], worst.get("reason", 0)
            result["deliveries"] = deliveries
        add(outcome=kind[0], **result)
        kinds[kind] = kinds.get(kind, 0) + 1
    reply.totals.received = len(prepared)
    for (outcome, _), number in kinds.items():
        name = _NAMES[outcome]
        setattr(reply.totals, name, getattr(reply.totals, name) + number)
    return kinds


def _rank(delivery: Members) -> int:
    return _WORST_FIRST.index(delivery["outcome"])


def _delivered(results: Iterable[DeliveryResult]) -> Iterator[Members]:
    """Give each result's members; the events of a request mostly share theirs."""
    last: DeliveryResult | None = None
    members: Members = {}
    for result in results:
        if result is not last:
            last, members = result, _members(result)
        yield members


def _members(result: DeliveryResult) -> Members:
    members: Members = {
        "outcome": _ENDINGS[result.outcome],
        "attempts": result.attempts,
        "code": result.code,
        "http_status": result.http_status,
        "message": result.message,
        "field": result.field,
        "request_id": result.request_id,
    }
    if result.reason is not None:
        members["reason"] = _REASONS[result.reason]
    return members
