"""Reads which dead letters a request is about."""

import re
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from tokferry.v1 import DeadLetterFilter, DeliveryReason, ErrorReason
from tokferry_server.delivery.outbox.interface import DeadFilter
from tokferry_server.rpc.errors import CallError, Violation, invalid

_PREFIX: Final = "DELIVERY_REASON_"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_LONGEST_ID: Final = 18
_MOST_IDS: Final = 10_000


def read_filter(message: DeadLetterFilter) -> DeadFilter:
    """Give the filter of a request.

    Raises:
        CallError: INVALID_ARGUMENT for a condition that no dead letter can have.
    """
    return DeadFilter(
        ids=_ids(message),
        connection=message.connection or None,
        label=message.label or None,
        reasons=_reasons(message),
        codes=tuple(message.codes),
        since=_seconds(message.since) if message.HasField("since") else None,
        until=_seconds(message.until) if message.HasField("until") else None,
        ambiguous=message.ambiguous if message.HasField("ambiguous") else None,
        identity=_digest(message.hashed_identity),
    )


def read_id(text: str) -> int | None:
    """Give the number behind an id, or ``None`` if no dead letter can have it."""
    fits = text.isascii() and text.isdecimal() and len(text) <= _LONGEST_ID
    return int(text) if fits else None


def wrong(field: str, description: str) -> CallError:
    """Give the error for a value that is not allowed."""
    return invalid(
        ErrorReason.ERROR_REASON_INVALID_ARGUMENT, [Violation(field, description)]
    )


def _ids(message: DeadLetterFilter) -> tuple[int, ...]:
    if len(message.ids) > _MOST_IDS:
        raise wrong("filter.ids", f"must be at most {_MOST_IDS}")
    ids = [read_id(text) for text in message.ids]
    for index, number in enumerate(ids):
        if number is None:
            raise wrong(f"filter.ids[{index}]", "is not the id of a dead letter")
    return tuple(number for number in ids if number is not None)


def _reasons(message: DeadLetterFilter) -> tuple[str, ...]:
    for index, reason in enumerate(message.reasons):
        if not reason or reason not in DeliveryReason.values():
            raise wrong(f"filter.reasons[{index}]", "is not a delivery reason")
    return tuple(
        DeliveryReason.Name(reason).removeprefix(_PREFIX) for reason in message.reasons
    )


def _digest(text: str) -> str | None:
    if text and not _DIGEST.fullmatch(text):
        raise wrong(
            "filter.hashed_identity",
            "must be a SHA-256 digest in 64 lower-case hex digits",
        )
    return text or None


def _seconds(time: Timestamp) -> float:
    return time.seconds + time.nanos / 1e9
