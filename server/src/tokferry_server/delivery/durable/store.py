"""Writes what became of events into the outbox; tries again while it is full."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from tokferry_server.delivery.durable.clock import Clock
from tokferry_server.delivery.durable.lane import Lane
from tokferry_server.delivery.failpoints import failpoint
from tokferry_server.delivery.outbox.interface import (
    Death,
    Outbox,
    OutboxBrokenError,
    OutboxError,
    Reschedule,
)

_LONGEST_WAIT_S: Final = 60.0
_log = logging.getLogger(__name__)
_before_settle = failpoint("delivery.before_settle")
_after_settle = failpoint("delivery.after_settle")
_before_reschedule = failpoint("delivery.before_reschedule")
_before_kill = failpoint("delivery.before_kill")


class Store:
    """The worker's side of the outbox, with counts.

    Each method raises OutboxBrokenError when the process must stop, and any other
    OutboxError once ``stopping`` says that there is no time to try again.
    """

    def __init__(
        self, outbox: Outbox, clock: Clock, stopping: Callable[[], bool]
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._stopping = stopping

    async def sending(self, ids: Sequence[int], at: float) -> None:
        """Note which rows are about to be posted."""
        if ids:
            await self._insist(lambda: self._outbox.sending(ids, at))

    async def settle(self, lane: Lane, ids: Sequence[int]) -> None:
        """Remove delivered rows."""
        if not ids:
            return
        _before_settle()
        await self._insist(lambda: self._outbox.settle(ids, self._clock.now()))
        _after_settle()
        lane.counts.delivered += len(ids)

    async def reschedule(self, lane: Lane, rows: Sequence[Reschedule]) -> None:
        """Give rows back, to be tried again later."""
        if not rows:
            return
        _before_reschedule()
        await self._insist(lambda: self._outbox.reschedule(rows))
        lane.counts.retried += len(rows)

    async def kill(self, lane: Lane, deaths: Sequence[Death]) -> None:
        """Move rows to the dead letters; the lane keeps them while those are full."""
        if not deaths:
            return
        _before_kill()
        try:
            await self._outbox.kill(deaths, self._clock.now())
        except OutboxBrokenError:
            raise
        except OutboxError:
            if not lane.full:
                _log.warning("connection %s stops: no dead letter fits", lane.name)
            lane.full = True
            lane.deaths.extend(deaths)
            return
        lane.full = bool(lane.deaths)
        lane.counts.dead += len(deaths)

    async def release(self, lane: Lane, ids: Sequence[int]) -> None:
        """Give rows back as they were."""
        if ids:
            await self._outbox.release(ids)
            lane.counts.released += len(ids)

    async def _insist(self, write: Callable[[], Awaitable[None]]) -> None:
        wait = 1.0
        while True:
            try:
                await write()
            except OutboxBrokenError:
                raise
            except OutboxError as error:
                if self._stopping():
                    raise
                _log.warning("the outbox refuses to write (%s)", type(error).__name__)
                await self._clock.sleep(wait)
                wait = min(_LONGEST_WAIT_S, 2 * wait)
            else:
                return
