"""How the connections and the outbox stand: for gauges, and for the log."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tokferry_server.delivery.durable.status import LaneState, LaneStatus
from tokferry_server.delivery.outbox.interface import Caps, OutboxError, Stats
from tokferry_server.delivery.pace import Throttle
from tokferry_server.telemetry import metrics as table
from tokferry_server.telemetry.instruments import Instruments
from tokferry_server.telemetry.notices import Notices

_LOOK_S: Final = 1.0
_COUNT_S: Final = 5.0
_log = logging.getLogger(__name__)


class Standing:
    """Looks at the throttles of the connections' apps; ``look`` costs little."""

    def __init__(
        self,
        instruments: Instruments,
        notices: Notices,
        throttles: Mapping[str, Throttle],
    ) -> None:
        self._notices = notices
        self._throttles = throttles
        self._throttled = instruments.tally(table.THROTTLED)

    async def run(self) -> None:
        """Look every second, for ever."""
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001  to watch must not end for it
                _log.error("a look at the service failed: %s", type(error).__name__)
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        """Look at everything once."""
        for name, wait in self._look_at_throttles().items():
            self._notices.state(
                name, LaneState.THROTTLED if wait else LaneState.RUNNING
            )

    def _look_at_throttles(self) -> Mapping[str, float]:
        """Note, and give, the seconds that each connection still has to wait."""
        waits = {name: one.remaining() for name, one in self._throttles.items()}
        self._throttled.put({(name,): wait for name, wait in waits.items()})
        return waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """The durable side, as far as it is looked at; ``caps`` are the outbox's."""

    lanes: Callable[[], Mapping[str, LaneStatus]]
    stats: Callable[[], Awaitable[Mapping[str, Stats]]]
    caps: Caps


class DurableStanding(Standing):
    """Looks at the lanes, too, and every few seconds at the outbox."""

    def __init__(
        self,
        instruments: Instruments,
        notices: Notices,
        throttles: Mapping[str, Throttle],
        queue: Queue,
    ) -> None:
        super().__init__(instruments, notices, throttles)
        self._queue = queue
        self._next_count = time.monotonic()
        self._limits = instruments.tally(table.LIMIT)
        self._states = instruments.tally(table.STATES)
        self._fates = instruments.tally(table.FATES)
        self._depth = instruments.tally(table.DEPTH)
        self._size = instruments.tally(table.SIZE)
        self._oldest = instruments.tally(table.OLDEST)
        self._dead = instruments.tally(table.DEAD)
        self._filled = instruments.tally(table.FILLED)

    async def look(self) -> None:
        """Look at everything once."""
        self._look_at_throttles()
        self._look_at_lanes(self._queue.lanes())
        if time.monotonic() >= self._next_count:
            self._next_count = time.monotonic() + _COUNT_S
            try:
                self._look_at_rows(await self._queue.stats())
            except OutboxError:
                return  # whoever writes to it finds out, and says so

    def _look_at_lanes(self, lanes: Mapping[str, LaneStatus]) -> None:
        states: dict[tuple[str, ...], float] = {}
        fates: dict[tuple[str, ...], float] = {}
        for name, lane in lanes.items():
            self._notices.state(name, lane.state, lane.reason)
            self._notices.dead(name, lane.counts.dead)
            for state in LaneState:
                states[name, state.lower()] = state is lane.state
            for fate in ("delivered", "dead", "retried"):
                fates[name, fate] = getattr(lane.counts, fate)
        self._states.put(states)
        self._fates.put(fates)
        self._limits.put({(name,): lane.limit for name, lane in lanes.items()})

    def _look_at_rows(self, stats: Mapping[str, Stats]) -> None:
        rows = {name: Stats() for name in self._throttles} | dict(stats)
        now, caps = time.time(), self._queue.caps
        self._depth.put({(name,): one.pending for name, one in rows.items()})
        self._size.put({(name,): one.pending_bytes for name, one in rows.items()})
        self._dead.put({(name,): one.dead for name, one in rows.items()})
        self._oldest.put(
            {
                (name,): max(0.0, now - (one.oldest_created or now))
                for name, one in rows.items()
            }
        )
        pending = sum(one.pending for one in rows.values())
        size = sum(one.pending_bytes for one in rows.values())
        self._filled.put({(): max(pending / caps.max_rows, size / caps.max_bytes)})
