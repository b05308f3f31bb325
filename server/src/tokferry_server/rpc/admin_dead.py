"""Finds, gives out and deletes dead letters for the admin service."""

import math
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import grpc

from tokferry.v1 import (
    ErrorReason,
    ExportDeadLettersResponse,
    PurgeDeadLettersRequest,
    PurgeDeadLettersResponse,
)
from tokferry_server.delivery.outbox.interface import (
    DeadFilter,
    DeadRow,
    InspectableOutbox,
)
from tokferry_server.rpc.admin_estate import outbox_errors
from tokferry_server.rpc.admin_filter import read_filter, read_id, wrong
from tokferry_server.rpc.admin_letters import write_letter
from tokferry_server.rpc.errors import CallError

_EXPORTED_AT_ONCE: Final = 100
_EXPORT_BYTES: Final = 2**20


async def find(outbox: InspectableOutbox, text: str, worker: int) -> DeadRow:
    """Give the dead letter of an id.

    Raises:
        CallError: NOT_FOUND if there is none.
    """
    number = read_id(text, worker)
    rows = []
    if number:
        with outbox_errors():
            rows = await outbox.dead(DeadFilter(ids=(number,)), limit=1)
    if not rows:
        raise CallError(
            code=grpc.StatusCode.NOT_FOUND,
            reason=ErrorReason.ERROR_REASON_NOT_FOUND,
            message="no dead letter has this id: it may have been replayed or purged, "
            "or be past its thirty days",
        )
    return rows[0]


async def export(
    outbox: InspectableOutbox, chosen: DeadFilter, most: int, worker: int
) -> AsyncIterator[ExportDeadLettersResponse]:
    """Give up to ``most`` dead letters in full, about 1 MiB a message; 0: all."""
    left, after = most or sys.maxsize, 0
    while left > 0:
        asked = min(left, _EXPORTED_AT_ONCE)
        with outbox_errors():
            rows = await outbox.dead(chosen, limit=asked, after=after)
        response, size = ExportDeadLettersResponse(), 0
        for row in rows:
            response.dead_letters.append(write_letter(row, worker, row.body))
            size += len(row.body)
            if size > _EXPORT_BYTES:
                yield response
                response, size = ExportDeadLettersResponse(), 0
        if response.dead_letters:
            yield response
        if len(rows) < asked:
            return
        after, left = rows[-1].id, left - len(rows)


async def purge(
    outbox: InspectableOutbox, request: PurgeDeadLettersRequest, worker: int
) -> PurgeDeadLettersResponse:
    """Delete what is chosen, if it is as many as expected.

    Raises:
        CallError: FAILED_PRECONDITION for another number, INVALID_ARGUMENT for none.
    """
    chosen = read_filter(request.filter, worker)
    if not (request.dry_run or request.HasField("expected_count")):
        raise wrong("expected_count", "is required unless dry_run is set")
    with outbox_errors():
        groups = await outbox.dead_groups(chosen)
        done = PurgeDeadLettersResponse(matched=sum(one.count for one in groups))
        if request.dry_run:
            return done
        check_count(request.expected_count, done.matched)
        if groups:
            # What dies from now on was not counted, and stays.
            newest = max(one.newest for one in groups)
            counted = replace(chosen, until=math.nextafter(newest, math.inf))
            done.purged = await outbox.purge(counted)
    return done


def check_count(expected: int, matched: int) -> None:
    """Refuse to purge another number than expected.

    Raises:
        CallError: FAILED_PRECONDITION.
    """
    if expected != matched:
        raise CallError(
            code=grpc.StatusCode.FAILED_PRECONDITION,
            reason=ErrorReason.ERROR_REASON_COUNT_MISMATCH,
            message=f"{matched} dead letters are chosen, not {expected}: nothing was "
            "purged; look at them again",
            metadata={"matched": str(matched)},
        )
