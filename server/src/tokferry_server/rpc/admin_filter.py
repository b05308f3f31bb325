"""Reads which dead letters a request is about."""

import re
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from tokferry.v1 import DeadLetterFilter, DeliveryReason, ErrorReason
from tokferry_server.delivery.outbox.interface import DeadFilter
from tokferry_server.rpc.errors import CallError, Violation, invalid

_PREFIX: Final = "DELIVERY_REASON_"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_ID: Final = re.compile(r"(?:([1-9][0-9]{0,3})-)?([0-9]{1,18})")
_MOST_IDS: Final = 10_000


def read_filter(message: DeadLetterFilter, worker: int) -> DeadFilter:
    """Give the filter of a request to a worker.

    Raises:
        CallError: INVALID_ARGUMENT for a condition that no dead letter can have.
    """
    return DeadFilter(
        ids=_ids(message, worker),
        connection=message.connection or None,
        label=message.label or None,
        reasons=_reasons(message),
        codes=tuple(message.codes),
        since=_seconds(message.since) if message.HasField("since") else None,
        until=_seconds(message.until) if message.HasField("until") else None,
        ambiguous=message.ambiguous if message.HasField("ambiguous") else None,
        identity=_digest(message.hashed_identity),
    )


def write_id(number: int, worker: int) -> str:
    """Give the id of a dead letter; ids of different workers differ."""
    return f"{worker}-{number}" if worker else str(number)


def read_id(text: str, worker: int) -> int | None:
    """Give the number behind an id, or ``None`` if no dead letter can have it.

    It is 0, which no dead letter has, for an id of another worker.
    """
    parts = _ID.fullmatch(text)
    if parts is None:
        return None
    return int(parts[2]) if int(parts[1] or 0) == worker else 0


def worker_of(text: str) -> int:
    """Give the number of the worker that an id is of; 0 for what is no id."""
    parts = _ID.fullmatch(text)
    return int(parts[1] or 0) if parts else 0


def wrong(field: str, description: str) -> CallError:
    """Give the error for a value that is not allowed."""
    return invalid(
        ErrorReason.ERROR_REASON_INVALID_ARGUMENT, [Violation(field, description)]
    )


def _ids(message: DeadLetterFilter, worker: int) -> tuple[int, ...]:
    if len(message.ids) > _MOST_IDS:
        raise wrong("filter.ids", f"must be at most {_MOST_IDS}")
    ids = [read_id(text, worker) for text in message.ids]
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
