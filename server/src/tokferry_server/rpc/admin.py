"""The admin service: shows and steers the outbox, dead letters and connections."""

# ruff: noqa: N802, ARG002  # names and parameters are the generated base class's

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

import grpc

from tokferry.v1 import (
    ConnectionStatus,
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
from tokferry.v1.admin_service_pb2_grpc import AdminServiceServicer
from tokferry_server.rpc.admin_audit import audit
from tokferry_server.rpc.admin_dead import export, find, purge
from tokferry_server.rpc.admin_estate import Estate, outbox_errors
from tokferry_server.rpc.admin_filter import read_filter, read_id, write_id, wrong
from tokferry_server.rpc.admin_letters import (
    sum_of,
    write_balance,
    write_group,
    write_letter,
)
from tokferry_server.rpc.admin_mask import masked
from tokferry_server.rpc.admin_replay import Replaying
from tokferry_server.rpc.admin_status import Statuses

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any] | None

PAGE: Final = 100
LARGEST_PAGE: Final = 1000
LONGEST_NOTE: Final = 256


class AdminService(AdminServiceServicer):
    """The calls of ``tokferry.v1.AdminService``; they need no context."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._statuses = Statuses(estate)

    async def GetOutboxStats(
        self, request: GetOutboxStatsRequest, context: Context = None
    ) -> GetOutboxStatsResponse:
        """Count what waits in the outbox."""
        storage = self._estate.stored()
        with outbox_errors():
            await self._estate.check_connection(request.connection)
            found = await storage.outbox.balance(request.label or None)
        if request.connection:
            found = {k: one for k, one in found.items() if k == request.connection}
        disk = os.statvfs(storage.folder)
        return GetOutboxStatsResponse(
            connections=[write_balance(name, found[name]) for name in sorted(found)],
            total=write_balance("", sum_of(found.values())),
            max_rows=storage.caps.max_rows,
            max_bytes=storage.caps.max_bytes,
            disk_free_bytes=disk.f_bavail * disk.f_frsize,
            worker=self._estate.number,
        )

    async def GetDeadLetterStats(
        self, request: GetDeadLetterStatsRequest, context: Context = None
    ) -> GetDeadLetterStatsResponse:
        """Count the dead letters by connection, reason and code."""
        storage = self._estate.stored()
        chosen = read_filter(request.filter, self._estate.number)
        with outbox_errors():
            await self._estate.check_connection(request.filter.connection)
            groups = await storage.outbox.dead_groups(chosen)
        groups.sort(key=lambda one: (one.connection, one.reason, one.code or 0))
        return GetDeadLetterStatsResponse(
            groups=[write_group(group) for group in groups],
            total=sum(group.count for group in groups),
            max_rows=storage.caps.max_dead,
            bytes=sum(group.bytes for group in groups),
            max_bytes=storage.caps.max_dead_bytes,
            worker=self._estate.number,
        )

    async def ListDeadLetters(
        self, request: ListDeadLettersRequest, context: Context = None
    ) -> ListDeadLettersResponse:
        """List dead letters without their content."""
        storage = self._estate.stored()
        chosen = read_filter(request.filter, self._estate.number)
        if request.page_size < 0:
            raise wrong("page_size", "must be 0 or more")
        size = min(request.page_size or PAGE, LARGEST_PAGE)
        worker = self._estate.number
        after = read_id(request.page_token, worker) if request.page_token else 0
        if after is None:
            raise wrong("page_token", "is not a token of this call")
        with outbox_errors():
            await self._estate.check_connection(request.filter.connection)
            rows = await storage.outbox.dead(chosen, limit=size + 1, after=after)
        return ListDeadLettersResponse(
            dead_letters=[write_letter(row, worker) for row in rows[:size]],
            next_page_token=write_id(rows[size - 1].id, worker)
            if len(rows) > size
            else "",
        )

    async def GetDeadLetter(
        self, request: GetDeadLetterRequest, context: Context = None
    ) -> GetDeadLetterResponse:
        """Show one dead letter, masked unless it is to be revealed."""
        worker = self._estate.number
        row = await find(self._estate.stored().outbox, request.id, worker)
        if request.reveal:
            audit("reveal_dead_letter", id=row.id, connection=row.connection)
        body = row.body if request.reveal else masked(row.body)
        return GetDeadLetterResponse(dead_letter=write_letter(row, worker, body))

    async def ExportDeadLetters(
        self, request: ExportDeadLettersRequest, context: Context = None
    ) -> AsyncIterator[ExportDeadLettersResponse]:
        """Give out dead letters with their content."""
        outbox = self._estate.stored().outbox
        chosen = read_filter(request.filter, self._estate.number)
        with outbox_errors():
            await self._estate.check_connection(request.filter.connection)
        given = 0
        try:
            found = export(outbox, chosen, request.max, self._estate.number)
            async for response in found:
                given += len(response.dead_letters)
                yield response
        finally:
            audit("export_dead_letters", request.filter, exported=given)

    async def ReplayDeadLetters(
        self, request: ReplayDeadLettersRequest, context: Context = None
    ) -> ReplayDeadLettersResponse:
        """Put dead letters back into the outbox."""
        if not request.dry_run:
            audit("replay_dead_letters", request.filter, max=request.max)
        with outbox_errors():
            done = await Replaying(self._estate).run(request)
        if not request.dry_run:
            audit("replayed_dead_letters", request.filter, replayed=done.replayed)
        return done

    async def PurgeDeadLetters(
        self, request: PurgeDeadLettersRequest, context: Context = None
    ) -> PurgeDeadLettersResponse:
        """Delete dead letters, if they are as many as expected."""
        outbox = self._estate.stored().outbox
        with outbox_errors():
            await self._estate.check_connection(request.filter.connection)
        done = await purge(outbox, request, self._estate.number)
        if not request.dry_run:
            audit("purge_dead_letters", request.filter, purged=done.purged)
        return done

    async def PauseConnection(
        self, request: PauseConnectionRequest, context: Context = None
    ) -> PauseConnectionResponse:
        """Stop sending for a connection."""
        self._estate.connections.get(request.connection)
        if len(request.note) > LONGEST_NOTE:
            raise wrong("note", f"must be at most {LONGEST_NOTE} characters")
        audit("pause_connection", connection=request.connection)
        self._estate.pauses.pause(request.connection, request.note)
        return PauseConnectionResponse(status=await self._changed(request.connection))

    async def ResumeConnection(
        self, request: ResumeConnectionRequest, context: Context = None
    ) -> ResumeConnectionResponse:
        """End a pause, whatever its cause."""
        self._estate.connections.get(request.connection)
        audit("resume_connection", connection=request.connection)
        self._estate.pauses.resume(request.connection)
        return ResumeConnectionResponse(status=await self._changed(request.connection))

    async def ListConnectionStatuses(
        self, request: ListConnectionStatusesRequest, context: Context = None
    ) -> ListConnectionStatusesResponse:
        """Say how each connection is doing."""
        names = list(self._estate.names)
        if request.connection:
            self._estate.connections.get(request.connection)
            names = [request.connection]
        with outbox_errors():
            return ListConnectionStatusesResponse(
                statuses=await self._statuses.of(*names),
                worker=self._estate.number,
            )

    async def _changed(self, name: str) -> ConnectionStatus:
        """Give the status of a connection once the worker has seen the change."""
        await self._estate.look()
        with outbox_errors():
            (status,) = await self._statuses.of(name)
        return status
