"""Asks the admin services of all workers, and answers as if there were one."""

# ruff: noqa: N802  the names are those of the calls

import heapq
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import grpc

from tokferry.v1 import (
    DeadLetter,
    ExportDeadLettersRequest,
    ExportDeadLettersResponse,
    GetDeadLetterRequest,
    GetDeadLetterResponse,
    GetDeadLetterStatsRequest,
    GetDeadLetterStatsResponse,
    GetOutboxStatsRequest,
    GetOutboxStatsResponse,
    ListConnectionStatusesRequest,
    ListConnectionStatusesResponse,
    ListDeadLettersRequest,
    ListDeadLettersResponse,
    PauseConnectionRequest,
    PauseConnectionResponse,
    PurgeDeadLettersRequest,
    PurgeDeadLettersResponse,
    ReplayDeadLettersRequest,
    ReplayDeadLettersResponse,
    ResumeConnectionRequest,
    ResumeConnectionResponse,
)
from tokferry_server.cli.admin_refusal import reason_and_text
from tokferry_server.cli.admin_sums import (
    sum_dead_letter_stats,
    sum_outbox_stats,
    sum_statuses,
)
from tokferry_server.rpc.admin import LARGEST_PAGE, PAGE
from tokferry_server.rpc.admin_dead import check_count
from tokferry_server.rpc.admin_filter import worker_of
from tokferry_server.rpc.errors import CallError

_NOT_HERE: Final = frozenset({"NOT_FOUND", "UNKNOWN_CONNECTION"})
"""Said by a worker that has nothing of what is asked for, while another may have it."""


class Crew:
    """The calls of ``AdminService`` to several workers; they raise what those do."""

    def __init__(self, workers: Mapping[int, Any]) -> None:
        self._workers = workers

    async def GetOutboxStats(
        self, request: GetOutboxStatsRequest
    ) -> GetOutboxStatsResponse:
        """Add up what waits."""
        return sum_outbox_stats(await self._all("GetOutboxStats", request))

    async def GetDeadLetterStats(
        self, request: GetDeadLetterStatsRequest
    ) -> GetDeadLetterStatsResponse:
        """Add up the dead letters."""
        return sum_dead_letter_stats(await self._all("GetDeadLetterStats", request))

    async def ListDeadLetters(
        self, request: ListDeadLettersRequest
    ) -> ListDeadLettersResponse:
        """Give a page of all; its token holds the last id of each worker so far."""
        size = min(request.page_size or PAGE, LARGEST_PAGE)
        last = {worker_of(one): one for one in request.page_token.split(",") if one}
        part = ListDeadLettersRequest(filter=request.filter, page_size=size)
        pages, refusals, more = [], _Refusals(len(self._workers)), False
        for number, worker in self._workers.items():
            part.page_token = last.get(number, "")
            with refusals.counted():
                page = await worker.ListDeadLetters(part)
                pages.append(page.dead_letters)
                more = more or bool(page.next_page_token)
        letters = list(heapq.merge(*pages, key=_accepted))
        last |= {worker_of(letter.id): letter.id for letter in letters[:size]}
        more = more or len(letters) > size
        return ListDeadLettersResponse(
            dead_letters=letters[:size],
            next_page_token=",".join(last.values()) if more else "",
        )

    async def GetDeadLetter(
        self, request: GetDeadLetterRequest
    ) -> GetDeadLetterResponse:
        """Find the worker that has it."""
        answers = await self._all("GetDeadLetter", request)
        found: GetDeadLetterResponse = answers[0]
        return found

    async def ExportDeadLetters(
        self, request: ExportDeadLettersRequest
    ) -> AsyncIterator[ExportDeadLettersResponse]:
        """Give out those of one worker after the other."""
        left = request.max or sys.maxsize
        part = ExportDeadLettersRequest(filter=request.filter)
        refusals = _Refusals(len(self._workers))
        for worker in self._workers.values():
            part.max = left
            with refusals.counted():
                async for response in worker.ExportDeadLetters(part):
                    left -= len(response.dead_letters)
                    yield response
            if not left:
                return

    async def ReplayDeadLetters(
        self, request: ReplayDeadLettersRequest
    ) -> ReplayDeadLettersResponse:
        """Put back those of one worker after the other, at the one rate."""
        left = request.max or sys.maxsize
        part = ReplayDeadLettersRequest()
        part.CopyFrom(request)
        done = ReplayDeadLettersResponse()
        refusals = _Refusals(len(self._workers))
        for worker in self._workers.values():
            # The rest is only counted once there are enough.
            part.max, part.dry_run = max(1, left), request.dry_run or not left
            with refusals.counted():
                answer = await worker.ReplayDeadLetters(part)
                done.matched += answer.matched
                if left:
                    left -= answer.replayed
                    done.replayed += answer.replayed
                    done.refused_ambiguous += answer.refused_ambiguous
                    done.refused_replays += answer.refused_replays
                    done.refused_no_source += answer.refused_no_source
        return done

    async def PurgeDeadLetters(
        self, request: PurgeDeadLettersRequest
    ) -> PurgeDeadLettersResponse:
        """Delete those of all workers, if they are as many as expected together."""
        part = PurgeDeadLettersRequest(filter=request.filter, dry_run=True)
        refusals = _Refusals(len(self._workers))
        counted = {}
        for number, worker in self._workers.items():
            with refusals.counted():
                counted[number] = (await worker.PurgeDeadLetters(part)).matched
        done = PurgeDeadLettersResponse(matched=sum(counted.values()))
        if request.dry_run:
            return done
        check_count(request.expected_count, done.matched)
        part.dry_run = False
        for number, part.expected_count in counted.items():
            answer = await self._workers[number].PurgeDeadLetters(part)
            done.purged += answer.purged
        return done

    async def PauseConnection(
        self, request: PauseConnectionRequest
    ) -> PauseConnectionResponse:
        """Let every worker follow a pause at once."""
        answers = await self._all("PauseConnection", request)
        (status,) = sum_statuses([one.status] for one in answers)
        return PauseConnectionResponse(status=status)

    async def ResumeConnection(
        self, request: ResumeConnectionRequest
    ) -> ResumeConnectionResponse:
        """End the pauses of every worker."""
        answers = await self._all("ResumeConnection", request)
        (status,) = sum_statuses([one.status] for one in answers)
        return ResumeConnectionResponse(status=status)

    async def ListConnectionStatuses(
        self, request: ListConnectionStatusesRequest
    ) -> ListConnectionStatusesResponse:
        """Say how each connection is doing where it is doing worst."""
        answers = await self._all("ListConnectionStatuses", request)
        return ListConnectionStatusesResponse(
            statuses=sum_statuses(one.statuses for one in answers)
        )

    async def _all(self, call: str, request: Any) -> list[Any]:
        """Ask every worker; leaves out those that have nothing of it."""
        answers: list[Any] = []
        refusals = _Refusals(len(self._workers))
        for worker in self._workers.values():
            with refusals.counted():
                answers.append(await getattr(worker, call)(request))
        return answers


class _Refusals:
    """Passes over workers that have nothing of what is asked for, unless all have."""

    def __init__(self, workers: int) -> None:
        self._left = workers

    @contextmanager
    def counted(self) -> Iterator[None]:
        try:
            yield
        except (grpc.RpcError, CallError) as error:
            self._left -= 1
            if not self._left or reason_and_text(error)[0] not in _NOT_HERE:
                raise


def _accepted(letter: DeadLetter) -> tuple[int, int]:
    return letter.create_time.seconds, letter.create_time.nanos
