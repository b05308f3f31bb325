"""What a worker tells of itself, in plain numbers and names."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class LaneState(StrEnum):
    """What a connection is doing; of several, the one that holds it back most."""

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    NO_TOKEN = "NO_TOKEN"  # noqa: S105  the name of a state
    THROTTLED = "THROTTLED"
    BREAKER_OPEN = "BREAKER_OPEN"


@dataclass(slots=True)
class Counts:
    """Running totals of one connection, in events; they begin anew with the worker.

    Each event that is ``received`` from the outbox ends up delivered, dead, retried or
    released, or is still held; one that is tried three times is received three times.
    ``requests`` counts requests by what their answers meant.
    """

    received: int = 0
    delivered: int = 0
    dead: int = 0
    retried: int = 0
    released: int = 0
    requests: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastVerdict:
    """What TikTok's latest answer meant, and when it came, in Unix seconds."""

    name: str
    code: int | None
    http_status: int | None
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneStatus:
    """How one connection stands.

    ``reason`` says why it is held back, ``since`` and ``until`` when that began and
    may end, in Unix seconds; ``held`` counts events in the worker's hands, ``limit``
    is how many requests may be under way at a time; ``delivered_at`` is when TikTok
    last took an event from this worker, in Unix seconds.
    """

    state: LaneState
    reason: str | None
    since: float | None
    until: float | None
    in_flight: int
    held: int
    limit: int
    last: LastVerdict | None
    delivered_at: float | None
    counts: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """How a worker stands.

    ``unknown`` counts waiting events of connections that the settings do not know.
    """

    connections: Mapping[str, LaneStatus]
    unknown: Mapping[str, int]
