"""Says how each connection is doing, from its pause, its lane and what waits for it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.duration_pb2 import Duration

from tokferry.v1 import ConnectionState, ConnectionStatus
from tokferry_server.delivery.durable.describe import DEAD_LETTERS_FULL
from tokferry_server.delivery.durable.pauses import Pause
from tokferry_server.delivery.durable.status import LaneState, LaneStatus
from tokferry_server.delivery.outbox.interface import Balance
from tokferry_server.rpc.admin_estate import Estate
from tokferry_server.rpc.admin_letters import delivery_reason, timestamp

_STATES: Final = {
    LaneState.NO_TOKEN: ConnectionState.CONNECTION_STATE_NO_ACCESS_TOKEN,
    LaneState.THROTTLED: ConnectionState.CONNECTION_STATE_THROTTLED,
    LaneState.BREAKER_OPEN: ConnectionState.CONNECTION_STATE_BREAKER_OPEN,
}
_RETRIED: Final = frozenset(
    {
        ConnectionState.CONNECTION_STATE_PAUSED_BY_ANSWER,
        ConnectionState.CONNECTION_STATE_THROTTLED,
        ConnectionState.CONNECTION_STATE_BREAKER_OPEN,
    }
)


@dataclass(frozen=True, slots=True)
class Statuses:
    """Puts statuses together; ``clock`` gives Unix seconds."""

    estate: Estate
    clock: Callable[[], float] = time.time

    async def of(self, *names: str) -> list[ConnectionStatus]:
        """Give the statuses of connections, by name."""
        estate = self.estate
        balances: Mapping[str, Balance] = {}
        if estate.storage is not None:
            balances = await estate.storage.outbox.balance()
        lanes: Mapping[str, LaneStatus] = {}
        if estate.worker is not None:
            lanes = estate.worker.status().connections
        pauses = estate.pauses.paused()
        return [
            self._write(name, pauses.get(name), lanes.get(name), balances.get(name))
            for name in sorted(names)
        ]

    def _write(
        self,
        name: str,
        pause: Pause | None,
        lane: LaneStatus | None,
        balance: Balance | None,
    ) -> ConnectionStatus:
        status = ConnectionStatus(
            connection=name,
            state=ConnectionState.CONNECTION_STATE_ACTIVE,
            has_access_token=self.estate.connections.has_access_token(name),
            pending=balance.pending if balance else 0,
            dead=balance.dead if balance else 0,
        )
        if lane is not None:
            self._add_lane(status, lane)
        if pause is not None:
            _add_pause(status, pause)
        return status

    def _add_lane(self, status: ConnectionStatus, lane: LaneStatus) -> None:
        if lane.delivered_at is not None:
            status.last_delivered_time.CopyFrom(timestamp(lane.delivered_at))
        status.state = _state(lane)
        if status.state == ConnectionState.CONNECTION_STATE_ACTIVE:
            return
        status.reason = delivery_reason(lane.reason)
        if lane.since is not None:
            status.since.CopyFrom(timestamp(lane.since))
        if lane.until is not None and status.state in _RETRIED:
            wait = Duration()
            wait.FromMilliseconds(max(0, round((lane.until - self.clock()) * 1000)))
            status.retry_delay.CopyFrom(wait)


def _state(lane: LaneStatus) -> "ConnectionState.ValueType":
    if lane.state is not LaneState.PAUSED:
        return _STATES.get(lane.state, ConnectionState.CONNECTION_STATE_ACTIVE)
    if lane.reason == DEAD_LETTERS_FULL:
        return ConnectionState.CONNECTION_STATE_DEAD_LETTERS_FULL
    if delivery_reason(lane.reason):
        return ConnectionState.CONNECTION_STATE_PAUSED_BY_ANSWER
    # An operator's pause, which the worker is about to find ended.
    return ConnectionState.CONNECTION_STATE_ACTIVE


def _add_pause(status: ConnectionStatus, pause: Pause) -> None:
    status.state = ConnectionState.CONNECTION_STATE_PAUSED_BY_OPERATOR
    status.note = pause.reason
    status.since.CopyFrom(timestamp(pause.since))
    for member in ("reason", "retry_delay"):
        status.ClearField(member)
