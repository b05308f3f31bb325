"""Puts dead letters back into the outbox, at the rate that is asked for."""

import asyncio
import math
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import grpc

from tokferry.v1 import (
    ErrorReason,
    ReplayDeadLettersRequest,
    ReplayDeadLettersResponse,
)
from tokferry_server.delivery.outbox.interface import DeadFilter
from tokferry_server.rpc.admin_estate import Estate
from tokferry_server.rpc.admin_filter import read_filter, wrong
from tokferry_server.rpc.errors import CallError

_STEPS_PER_SECOND = 10


@dataclass(frozen=True, slots=True)
class Replaying:
    """Runs replays; ``clock`` gives Unix seconds, ``sleep`` takes seconds."""

    estate: Estate
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self, request: ReplayDeadLettersRequest) -> ReplayDeadLettersResponse:
        """Put back what is chosen, and count it.

        Raises:
            CallError: INVALID_ARGUMENT; FAILED_PRECONDITION for a ``retransform`` that
                is no dry run, as no sources are kept.
        """
        outbox = self.estate.stored().outbox
        chosen = read_filter(request.filter, self.estate.number)
        if not (request.rate >= 0 and math.isfinite(request.rate)):
            raise wrong("rate", "must be 0 or more a second")
        await self.estate.check_connection(request.filter.connection)
        done = ReplayDeadLettersResponse(
            matched=sum((await outbox.count_dead(chosen)).values())
        )
        if request.retransform:
            _refuse_anew(request, done)
        else:
            await self._put_back(request, chosen, done)
        return done

    async def _put_back(
        self,
        request: ReplayDeadLettersRequest,
        chosen: DeadFilter,
        done: ReplayDeadLettersResponse,
    ) -> None:
        left = request.max or sys.maxsize
        paced = request.rate > 0 and not request.dry_run
        step = max(1, int(request.rate / _STEPS_PER_SECOND)) if paced else sys.maxsize
        reached = 0
        while left > 0:
            most = min(step, left)
            replay = await self.estate.stored().outbox.replay(
                chosen,
                now=self.clock(),
                limit=most,
                accept_double_count=request.accept_double_count,
                force=request.force,
                after=reached,
                dry_run=request.dry_run,
            )
            done.replayed += replay.replayed
            done.refused_ambiguous += replay.refused
            done.refused_replays += replay.exhausted
            left, reached = left - replay.replayed, replay.reached
            if replay.replayed and not request.dry_run:
                self.estate.wake()
            if replay.replayed < most:
                return
            if left > 0:
                await self.sleep(most / request.rate)


def _refuse_anew(
    request: ReplayDeadLettersRequest, done: ReplayDeadLettersResponse
) -> None:
    """No source is kept: nothing can be made anew."""
    done.refused_no_source = done.matched
    if done.matched and not request.dry_run:
        raise CallError(
            code=grpc.StatusCode.FAILED_PRECONDITION,
            reason=ErrorReason.ERROR_REASON_REPLAY_REFUSED,
            message="the mParticle events that the dead letters were made of are not "
            "kept: replay them as they are, or correct and send the events again",
            metadata={"refused_no_source": str(done.matched)},
        )
