"""The forwarding service: translate, call, translate back; no logic of its own."""

# ruff: noqa: N802, ARG002  # names and parameters are the generated base class's

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc

from tokferry.v1 import (
    DescribeConnectionRequest,
    DescribeConnectionResponse,
    ErrorReason,
    ForwardRequest,
    ForwardResponse,
    ForwardStreamRequest,
    TransformRequest,
    TransformResponse,
)
from tokferry.v1.forwarding_service_pb2_grpc import ForwardingServiceServicer
from tokferry_server.delivery.slots import asker
from tokferry_server.mapping.transform import Transformer
from tokferry_server.rpc import limits
from tokferry_server.rpc.caller import calling
from tokferry_server.rpc.chunk_stream import ChunkStream, Response, Shared
from tokferry_server.rpc.connections import Connections, with_test_code
from tokferry_server.rpc.describe import describe
from tokferry_server.rpc.dispatch import SYNC, Dispatch, Errand
from tokferry_server.rpc.errors import Violation, invalid
from tokferry_server.rpc.inline_settings import read_settings
from tokferry_server.rpc.read_request import read_batches
from tokferry_server.rpc.slices import collect
from tokferry_server.rpc.write_proto import (
    add_origins,
    write_coverage,
    write_transform_result,
)
from tokferry_server.telemetry.telemetry import Telemetry
from tokferry_server.tiktok.formats import wire_format

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]


class ForwardingService(ForwardingServiceServicer):
    """The calls of ``tokferry.v1.ForwardingService``."""

    def __init__(
        self,
        *,
        connections: Connections,
        dispatch: Dispatch,
        draining: asyncio.Event,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._connections = connections
        self._dispatch = dispatch
        self._streams = Shared(dispatch=dispatch, draining=draining)
        self._telemetry = telemetry or Telemetry()

    async def Transform(
        self, request: TransformRequest, context: Context
    ) -> TransformResponse:
        """Show what TikTok would get; nothing is sent."""
        transformer = self._transformer(request)
        batches = read_batches(request, transformer.wanted)
        limit = limits.EXPLAIN_EVENTS if request.explain else limits.TRANSFORM_EVENTS
        calling.get().quota.charge(limits.check_event_count(batches, limit))
        with self._telemetry.spans.mapping(request.connection, batches):
            outcomes = await collect(transformer.transform(batches))
        self._telemetry.instruments.transformed(request.connection, outcomes)
        wire = wire_format(transformer.connection.wire_format)
        results: list[Any] = await collect(
            write_transform_result(outcome, wire) for outcome in outcomes
        )
        response = TransformResponse(results=results)
        if request.explain:
            add_origins(response, outcomes)
            response.coverage.CopyFrom(write_coverage(outcomes))
        return response

    async def Forward(
        self, request: ForwardRequest, context: Context
    ) -> ForwardResponse:
        """Deliver and say of each event what became of it."""
        started = time.monotonic()
        asker.set(context.peer())
        budget = limits.budget(context.time_remaining())
        errand = Errand(
            connection=request.connection,
            mode=self._dispatch.mode(request.mode, SYNC),
            test_event_code=_test_code(request),
            validate_only=request.validate_only,
            label=request.label,
        )
        self._dispatch.check(errand)
        batches = read_batches(request, self._dispatch.wanted(errand))
        events = limits.check_event_count(batches, limits.FORWARD_EVENTS)
        calling.get().quota.charge(events)
        response = ForwardResponse(mode=errand.mode)
        await self._dispatch.run(batches, errand, response, deadline=started + budget)
        return response

    async def ForwardStream(  # type: ignore[override]  # admission takes bytes, too
        self, request_iterator: AsyncIterator[ForwardStreamRequest], context: Context
    ) -> AsyncIterator[Response]:
        """Deliver chunk by chunk; replies come as chunks are done."""
        asker.set(context.peer())
        async for response in ChunkStream(self._streams).run(request_iterator):
            yield response

    async def DescribeConnection(
        self, request: DescribeConnectionRequest, context: Context
    ) -> DescribeConnectionResponse:
        """Show the settings without secrets, and the mapping in force."""
        return describe(
            self._connections.get(request.connection),
            has_access_token=self._connections.has_access_token(request.connection),
        )

    def _transformer(self, request: TransformRequest) -> Transformer:
        if not request.HasField("settings"):
            return self._connections.transformer(
                request.connection,
                test_event_code=_test_code(request),
                explain=request.explain,
            )
        if request.connection:
            raise invalid(
                ErrorReason.ERROR_REASON_MISSING_CONNECTION,
                [Violation("settings", "set either 'connection' or 'settings'")],
            )
        connection = read_settings(request.settings)
        return Transformer(
            with_test_code(connection, _test_code(request)), explain=request.explain
        )


def _test_code(request: TransformRequest | ForwardRequest) -> str | None:
    return request.test_event_code if request.HasField("test_event_code") else None
