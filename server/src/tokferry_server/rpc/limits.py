"""How much one call may carry."""

import grpc

from tokferry.v1 import ErrorReason
from tokferry_server.mparticle.model import Batch, Malformed
from tokferry_server.rpc.errors import CallError

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""gRPC's own default of every client."""

TRANSFORM_EVENTS = 250
EXPLAIN_EVENTS = 50
FORWARD_EVENTS = 1000
CHUNK_BYTES = 1024 * 1024

DEFAULT_DEADLINE_SECONDS = 30.0
MAX_DEADLINE_SECONDS = 60.0
ANSWER_SECONDS = 0.1
"""What is kept of a deadline for the answer's own way back."""


def check_event_count(batches: list[Batch | Malformed], limit: int) -> int:
    """Count the events, and refuse more than one call may carry.

    Raises:
        CallError: INVALID_ARGUMENT, with the limit in its metadata.
    """
    events = 0
    for batch in batches:
        events += 1 if isinstance(batch, Malformed) else len(batch.events)
    if events > limit:
        raise CallError(
            code=grpc.StatusCode.INVALID_ARGUMENT,
            reason=ErrorReason.ERROR_REASON_TOO_MANY_EVENTS,
            message=f"{events} events in one call; send at most {limit}",
            metadata={"limit": str(limit), "events": str(events)},
        )
    return events


def budget(time_remaining: float | None) -> float:
    """Give the seconds that a call may take, from the caller's deadline if any."""
    if time_remaining is None:
        return DEFAULT_DEADLINE_SECONDS
    return max(0.0, min(time_remaining - ANSWER_SECONDS, MAX_DEADLINE_SECONDS))
