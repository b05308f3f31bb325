"""How a connection stands, from what its lane holds."""

from typing import NamedTuple

from tokferry_server.delivery.durable.clock import Clock
from tokferry_server.delivery.durable.lane import Lane
from tokferry_server.delivery.durable.status import LaneState, LaneStatus
from tokferry_server.tiktok.reasons import DeliveryReason

DEAD_LETTERS_FULL = "DEAD_LETTERS_FULL"
_LEAST_S = 0.001


class _Standing(NamedTuple):
    state: LaneState
    reason: str | None = None
    since: float | None = None
    wait: float | None = None


def describe(lane: Lane, clock: Clock) -> LaneStatus:
    """Give the status of a connection."""
    standing = _standing(lane, clock)
    now = clock.now()
    return LaneStatus(
        state=standing.state,
        reason=standing.reason,
        since=standing.since,
        until=None if standing.wait is None else now + standing.wait,
        in_flight=lane.in_flight,
        held=sum(map(len, lane.chunks)) + len(lane.deaths),
        limit=lane.most_in_flight,
        last=lane.last,
        delivered_at=lane.delivered_at,
        counts=lane.counts,
    )


def next_look(lane: Lane, clock: Clock, poll: float) -> float | None:
    """Give the seconds after which a connection that is held back may go on.

    Nobody says when a token or a pause changes: that takes a look every ``poll``.
    """
    standing = _standing(lane, clock)
    if standing.state is LaneState.RUNNING:
        return None
    return min(poll, max(_LEAST_S, standing.wait)) if standing.wait else poll


def waits(lane: Lane, clock: Clock) -> bool:
    """Say whether a connection is held back by what must not age its events."""
    state = _standing(lane, clock).state
    return state not in (LaneState.RUNNING, LaneState.BREAKER_OPEN)


def _standing(lane: Lane, clock: Clock) -> _Standing:
    stopped = _stopped(lane, clock)
    if stopped is not None:
        return stopped
    if wait := lane.settings.pace.throttle.remaining():
        return _Standing(LaneState.THROTTLED, DeliveryReason.THROTTLED, None, wait)
    if not lane.breaker.closed:
        wait = lane.breaker.remaining(clock.monotonic())
        return _Standing(LaneState.BREAKER_OPEN, None, None, wait)
    return _Standing(LaneState.RUNNING)


def _stopped(lane: Lane, clock: Clock) -> _Standing | None:
    operator, fault = lane.operator, lane.fault
    if operator is not None:
        return _Standing(LaneState.PAUSED, operator.reason, operator.since)
    if lane.full:
        return _Standing(LaneState.PAUSED, DEAD_LETTERS_FULL)
    if fault is not None:
        probe = max(0.0, fault.probe_at - clock.monotonic())
        return _Standing(LaneState.PAUSED, fault.reason, fault.since, probe)
    return _Standing(LaneState.NO_TOKEN) if lane.tokenless else None
