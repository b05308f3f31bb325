"""The forwarding service: translate, call, translate back; no logic of its own."""

# ruff: noqa: N802, ARG002  # names and parameters are the generated base class's

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import grpc

from tokferry.v1 import (
    DeliveryMode,
    DescribeConnectionRequest,
    DescribeConnectionResponse,
    ErrorReason,
    ForwardRequest,
    ForwardResponse,
    ForwardStreamRequest,
    ForwardStreamResponse,
    TransformRequest,
    TransformResponse,
)
from tokferry.v1.forwarding_service_pb2_grpc import ForwardingServiceServicer
from tokferry_server.mapping.transform import Transformer
from tokferry_server.rpc import forwarding, limits
from tokferry_server.rpc.connections import Connections, with_test_code
from tokferry_server.rpc.describe import describe
from tokferry_server.rpc.errors import CallError, Violation, invalid
from tokferry_server.rpc.inline_settings import read_settings
from tokferry_server.rpc.read_request import read_batches
from tokferry_server.rpc.slices import collect
from tokferry_server.rpc.write_proto import write_coverage, write_transform_result
from tokferry_server.tiktok.formats import wire_format

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]


class ForwardingService(ForwardingServiceServicer):
    """The calls of ``tokferry.v1.ForwardingService``."""

    def __init__(
        self,
        *,
        connections: Connections,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connections = connections
        self._clock = clock

    async def Transform(
        self, request: TransformRequest, context: Context
    ) -> TransformResponse:
        """Show what TikTok would get; nothing is sent."""
        transformer = self._transformer(request)
        batches = read_batches(request)
        limit = limits.EXPLAIN_EVENTS if request.explain else limits.TRANSFORM_EVENTS
        limits.check_event_count(batches, limit)
        outcomes = await collect(transformer.transform(batches))
        wire = wire_format(transformer.connection.wire_format)
        results = (write_transform_result(outcome, wire) for outcome in outcomes)
        return TransformResponse(
            results=await collect(results), coverage=write_coverage(outcomes)
        )

    async def Forward(
        self, request: ForwardRequest, context: Context
    ) -> ForwardResponse:
        """Deliver and say of each event what became of it."""
        started = time.monotonic()
        budget = limits.budget(context.time_remaining())
        _check_mode(request)
        settings = self._connections.get(request.connection)
        transformer = self._connections.transformer(
            request.connection, test_event_code=_test_code(request)
        )
        batches = read_batches(request)
        limits.check_event_count(batches, limits.FORWARD_EVENTS)
        outcomes = forwarding.drop_old(
            await collect(transformer.transform(batches)),
            max_age_seconds=settings.mapping.max_event_age_seconds,
            now=self._clock(),
        )
        connection = transformer.connection
        wire = wire_format(connection.wire_format)
        packed = forwarding.pack(outcomes, connection.route, wire)
        if request.validate_only:
            results = forwarding.write_validated(packed)
        else:
            token = self._connections.access_token(request.connection)
            forwarder = self._connections.forwarder(request.connection)
            delivered = await forwarder.forward(
                packed.parcels,
                token,
                key=request.connection,
                deadline=started + budget,
            )
            results = forwarding.write_delivered(packed, delivered)
        return ForwardResponse(
            results=results,
            totals=forwarding.totals(results),
            mode=DeliveryMode.DELIVERY_MODE_SYNC,
        )

    async def ForwardStream(
        self, request_iterator: AsyncIterator[ForwardStreamRequest], context: Context
    ) -> AsyncIterator[ForwardStreamResponse]:
        """Refuse for now: bulk delivery is not built in this version."""
        raise CallError(
            code=grpc.StatusCode.UNIMPLEMENTED,
            reason=ErrorReason.ERROR_REASON_NOT_IMPLEMENTED,
            message=(
                "ForwardStream is not available in this version; "
                "call Forward with up to 1000 events at a time"
            ),
        )
        yield ForwardStreamResponse()  # makes this an async generator

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


def _check_mode(request: ForwardRequest) -> None:
    if request.mode == DeliveryMode.DELIVERY_MODE_DURABLE:
        raise CallError(
            code=grpc.StatusCode.FAILED_PRECONDITION,
            reason=ErrorReason.ERROR_REASON_NO_OUTBOX,
            message="no outbox is configured, and without one nothing is durable; "
            "use mode SYNC",
        )
    if request.mode not in (
        DeliveryMode.DELIVERY_MODE_UNSPECIFIED,
        DeliveryMode.DELIVERY_MODE_SYNC,
    ):
        raise invalid(
            ErrorReason.ERROR_REASON_INVALID_ARGUMENT,
            [Violation("mode", "must be SYNC or DURABLE")],
        )
