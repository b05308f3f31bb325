"""Writes dead letters, and counts of what is stored, as messages."""

import math
from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp

from tokferry.v1 import (
    DeadLetter,
    DeadLetterStats,
    DeliveryReason,
    EventSource,
    OutboxStats,
    WireFormat,
)
from tokferry_server.delivery.outbox.interface import Balance, DeadGroup, DeadRow
from tokferry_server.rpc.admin_filter import write_id


def write_letter(row: DeadRow, worker: int, json: bytes = b"") -> DeadLetter:
    """Write one dead letter of a worker, with the content given."""
    route, position = row.route, row.position
    letter = DeadLetter(
        id=write_id(row.id, worker),
        connection=row.connection,
        label=position.label,
        sequence=position.sequence,
        batch=position.batch,
        event_index=position.event,
        event=row.event,
        event_id=row.event_id,
        wire_format=WireFormat.Value(f"WIRE_FORMAT_{route.wire_format.upper()}"),
        event_source=EventSource.Value(f"EVENT_SOURCE_{route.event_source.upper()}"),
        pixel_id=route.event_source_id,
        test=route.test_event_code is not None,
        reason=delivery_reason(row.reason),
        code=row.code,
        http_status=row.http_status,
        message=row.message,
        field=row.field or "",
        request_id=row.request_id or "",
        attempts=row.attempts,
        replays=row.replays,
        ambiguous=row.ambiguous,
        create_time=timestamp(row.created),
        dead_time=timestamp(row.died),
        bytes=len(row.body),
        json=json,
    )
    if row.ambiguous and row.first_ambiguous_at is not None:
        letter.first_ambiguous_time.CopyFrom(timestamp(row.first_ambiguous_at))
    return letter


def write_group(group: DeadGroup) -> DeadLetterStats:
    """Write the counts of one connection, reason and code."""
    return DeadLetterStats(
        connection=group.connection,
        reason=delivery_reason(group.reason),
        code=group.code,
        count=group.count,
        oldest_time=timestamp(group.oldest),
        newest_time=timestamp(group.newest),
    )


def write_balance(connection: str, balance: Balance) -> OutboxStats:
    """Write the counts of one connection."""
    stats = OutboxStats(
        connection=connection,
        accepted=balance.accepted,
        delivered=balance.delivered,
        dead=balance.dead,
        pending=balance.pending,
        ambiguous=balance.ambiguous,
        bytes=balance.pending_bytes,
    )
    if balance.oldest_created is not None:
        stats.oldest_time.CopyFrom(timestamp(balance.oldest_created))
    return stats


def sum_of(balances: Iterable[Balance]) -> Balance:
    """Add balances up."""
    found = list(balances)
    oldest = [one.oldest_created for one in found if one.oldest_created is not None]
    return Balance(
        pending=sum(one.pending for one in found),
        pending_bytes=sum(one.pending_bytes for one in found),
        ambiguous=sum(one.ambiguous for one in found),
        oldest_created=min(oldest, default=None),
        dead=sum(one.dead for one in found),
        delivered=sum(one.delivered for one in found),
    )


def delivery_reason(name: str | None) -> "DeliveryReason.ValueType":
    """Give the reason of that name; one that the protos lack is unspecified."""
    full = f"DELIVERY_REASON_{name}"
    if full not in DeliveryReason.keys():  # noqa: SIM118  an enum, not a mapping
        return DeliveryReason.DELIVERY_REASON_UNSPECIFIED
    return DeliveryReason.Value(full)


def timestamp(seconds: float) -> Timestamp:
    """Give a time in Unix seconds as a message, to the microsecond."""
    whole = math.floor(seconds)
    return Timestamp(seconds=whole, nanos=int((seconds - whole) * 1e6) * 1000)
