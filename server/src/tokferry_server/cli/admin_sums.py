"""Adds up what the admin services of several workers say."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from tokferry.v1 import (
    ConnectionState,
    ConnectionStatus,
    DeadLetterStats,
    GetDeadLetterStatsResponse,
    GetOutboxStatsResponse,
    OutboxStats,
)

_WORST_FIRST: Final = (
    ConnectionState.CONNECTION_STATE_PAUSED_BY_OPERATOR,
    ConnectionState.CONNECTION_STATE_DEAD_LETTERS_FULL,
    ConnectionState.CONNECTION_STATE_PAUSED_BY_ANSWER,
    ConnectionState.CONNECTION_STATE_NO_ACCESS_TOKEN,
    ConnectionState.CONNECTION_STATE_THROTTLED,
    ConnectionState.CONNECTION_STATE_BREAKER_OPEN,
    ConnectionState.CONNECTION_STATE_ACTIVE,
    ConnectionState.CONNECTION_STATE_UNSPECIFIED,
)
_COUNTED: Final = ("accepted", "delivered", "dead", "pending", "ambiguous", "bytes")


def sum_outbox_stats(
    answers: Sequence[GetOutboxStatsResponse],
) -> GetOutboxStatsResponse:
    """Add up what waits; the disk is the same one for all."""
    total = OutboxStats()
    by_name: dict[str, OutboxStats] = {}
    for answer in answers:
        _add_stats(total, answer.total)
        for one in answer.connections:
            sums = by_name.setdefault(
                one.connection, OutboxStats(connection=one.connection)
            )
            _add_stats(sums, one)
    return GetOutboxStatsResponse(
        connections=[by_name[name] for name in sorted(by_name)],
        total=total,
        max_rows=sum(one.max_rows for one in answers),
        max_bytes=sum(one.max_bytes for one in answers),
        disk_free_bytes=min(one.disk_free_bytes for one in answers),
    )


def sum_dead_letter_stats(
    answers: Sequence[GetDeadLetterStatsResponse],
) -> GetDeadLetterStatsResponse:
    """Add up dead letters by connection, reason and code."""
    groups: dict[tuple[str, int, bool, int], DeadLetterStats] = {}
    for one in (group for answer in answers for group in answer.groups):
        key = (one.connection, one.reason, one.HasField("code"), one.code)
        sums = groups.setdefault(key, one)
        if sums is not one:
            sums.count += one.count
            _earliest(sums, one, "oldest_time")
            _latest(sums, one, "newest_time")
    return GetDeadLetterStatsResponse(
        groups=[groups[key] for key in sorted(groups)],
        total=sum(one.total for one in answers),
        max_rows=sum(one.max_rows for one in answers),
        bytes=sum(one.bytes for one in answers),
        max_bytes=sum(one.max_bytes for one in answers),
    )


def sum_statuses(
    answers: Iterable[Iterable[ConnectionStatus]],
) -> list[ConnectionStatus]:
    """Give each connection's state where it is doing worst, and its sums."""
    by_name: dict[str, list[ConnectionStatus]] = {}
    for one in (status for statuses in answers for status in statuses):
        by_name.setdefault(one.connection, []).append(one)
    return [_sum_status(by_name[name]) for name in sorted(by_name)]


def _sum_status(statuses: Sequence[ConnectionStatus]) -> ConnectionStatus:
    worst = min(statuses, key=lambda one: _WORST_FIRST.index(one.state))
    found = ConnectionStatus()
    found.CopyFrom(worst)
    found.pending = sum(one.pending for one in statuses)
    found.dead = sum(one.dead for one in statuses)
    found.has_access_token = all(one.has_access_token for one in statuses)
    for one in statuses:
        _latest(found, one, "last_delivered_time")
    return found


def _add_stats(sums: OutboxStats, more: OutboxStats) -> None:
    for name in _COUNTED:
        setattr(sums, name, getattr(sums, name) + getattr(more, name))
    _earliest(sums, more, "oldest_time")


def _earliest(sums: Any, more: Any, name: str) -> None:
    _keep(sums, more, name, sign=-1)


def _latest(sums: Any, more: Any, name: str) -> None:
    _keep(sums, more, name, sign=1)


def _keep(sums: Any, more: Any, name: str, *, sign: int) -> None:
    """Keep the later of two times, or with ``sign`` -1 the earlier."""
    if not more.HasField(name):
        return
    ours, theirs = getattr(sums, name), getattr(more, name)
    later = sign * theirs.ToNanoseconds() > sign * ours.ToNanoseconds()
    if later or not sums.HasField(name):
        ours.CopyFrom(theirs)
