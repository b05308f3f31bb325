"""What Forward and ForwardStream share: batches in, a result for each event."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc

from tokferry.v1 import DeliveryMode, ErrorReason, EventResult
from tokferry_server.delivery.outbox.interface import (
    NewRow,
    Outbox,
    OutboxBrokenError,
    OutboxFullError,
    Position,
)
from tokferry_server.delivery.result import MESSAGES, PAUSED
from tokferry_server.mapping.outcome import Outcome
from tokferry_server.mparticle.model import Batch, Malformed
from tokferry_server.rpc import forwarding
from tokferry_server.rpc.connections import Connections
from tokferry_server.rpc.errors import CallError, Violation, invalid
from tokferry_server.rpc.forwarding import Packed
from tokferry_server.rpc.slices import collect
from tokferry_server.tiktok.formats import wire_format
from tokferry_server.tiktok.reasons import DeliveryReason

MAX_LABEL = 64
FULL_RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What a caller wants done with events; ``mode`` is SYNC or DURABLE."""

    connection: str
    mode: "DeliveryMode.ValueType"
    test_event_code: str | None = None
    validate_only: bool = False
    label: str = ""


class Dispatch:
    """Maps events and hands them to TikTok or to the outbox."""

    def __init__(
        self,
        *,
        connections: Connections,
        outbox: Outbox | None = None,
        stored: Callable[[], None] = lambda: None,
        paused: Callable[[str], bool] = lambda _: False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connections = connections
        self._outbox = outbox
        self._stored = stored
        self._paused = paused
        self._clock = clock

    def check(self, errand: Errand) -> None:
        """Find out before the first event whether the errand can be run.

        Raises:
            CallError: it cannot; nothing was accepted.
        """
        self._connections.get(errand.connection)
        if len(errand.label) > MAX_LABEL or not errand.label.isprintable():
            text = f"must be at most {MAX_LABEL} printable characters"
            raise invalid(
                ErrorReason.ERROR_REASON_INVALID_ARGUMENT, [Violation("label", text)]
            )
        if errand.mode == DeliveryMode.DELIVERY_MODE_DURABLE and self._outbox is None:
            raise CallError(
                code=grpc.StatusCode.FAILED_PRECONDITION,
                reason=ErrorReason.ERROR_REASON_NO_OUTBOX,
                message="no outbox is configured, and without one nothing is durable: "
                "add [outbox] to the settings, or use mode SYNC",
            )
        if errand.mode == DeliveryMode.DELIVERY_MODE_SYNC and not errand.validate_only:
            self._connections.access_token(errand.connection)
            if self._paused(errand.connection):
                raise CallError(
                    code=grpc.StatusCode.FAILED_PRECONDITION,
                    reason=ErrorReason.ERROR_REASON_CONNECTION_PAUSED,
                    message=f"nothing was sent: {MESSAGES[DeliveryReason.PAUSED]}",
                )

    def mode(
        self, asked: "DeliveryMode.ValueType", default: "DeliveryMode.ValueType"
    ) -> "DeliveryMode.ValueType":
        """Give the mode in force for the one that was asked for.

        Raises:
            CallError: INVALID_ARGUMENT for a mode that this server does not know.
        """
        if asked == DeliveryMode.DELIVERY_MODE_UNSPECIFIED:
            return default
        if asked not in DeliveryMode.values():
            raise invalid(
                ErrorReason.ERROR_REASON_INVALID_ARGUMENT,
                [Violation("mode", "must be SYNC or DURABLE")],
            )
        return asked

    @property
    def has_outbox(self) -> bool:
        """Whether events can be made durable here."""
        return self._outbox is not None

    async def run(
        self,
        batches: Sequence[Batch | Malformed],
        errand: Errand,
        *,
        deadline: float,
        sequence: int = 0,
    ) -> list[EventResult]:
        """Give one result for each event, in input order.

        ``deadline`` is on the monotonic clock, in seconds.

        Raises:
            CallError: RESOURCE_EXHAUSTED when the outbox is full, UNAVAILABLE when its
                disk fails; nothing was accepted then.
        """
        settings = self._connections.get(errand.connection)
        transformer = self._connections.transformer(
            errand.connection, test_event_code=errand.test_event_code
        )
        outcomes = forwarding.drop_old(
            await collect(transformer.transform(batches)),
            max_age_seconds=settings.mapping.max_event_age_seconds,
            now=self._clock(),
        )
        connection = transformer.connection
        packed = forwarding.pack(
            outcomes, connection.route, wire_format(connection.wire_format)
        )
        if errand.validate_only:
            return forwarding.write_validated(packed)
        if errand.mode == DeliveryMode.DELIVERY_MODE_DURABLE:
            return await self._store(packed, errand, sequence)
        if self._paused(errand.connection):  # while a stream was open
            return forwarding.write_delivered(packed, [PAUSED] * len(packed.parcels))
        delivered = await self._connections.forwarder(errand.connection).forward(
            packed.parcels,
            self._connections.access_token(errand.connection),
            key=errand.connection,
            deadline=deadline,
        )
        return forwarding.write_delivered(packed, delivered)

    async def _store(
        self, packed: Packed, errand: Errand, sequence: int
    ) -> list[EventResult]:
        if self._outbox is None:
            raise RuntimeError("checked before the first event")
        rows = list(_rows(packed, errand, sequence))
        try:
            puts = await self._outbox.put(rows) if rows else []
        except OutboxFullError as error:
            raise CallError(
                code=grpc.StatusCode.RESOURCE_EXHAUSTED,
                reason=ErrorReason.ERROR_REASON_OUTBOX_FULL,
                message=f"nothing was accepted: {error}",
                retry_after=FULL_RETRY_SECONDS,
            ) from None
        except OutboxBrokenError:
            raise CallError(
                code=grpc.StatusCode.UNAVAILABLE,
                reason=ErrorReason.ERROR_REASON_OUTBOX_UNAVAILABLE,
                message="the outbox cannot be written; nothing was accepted",
                retry_after=FULL_RETRY_SECONDS,
            ) from None
        if puts:
            self._stored()
        return forwarding.write_stored(packed, puts)


def _rows(packed: Packed, errand: Errand, sequence: int) -> list[NewRow]:
    parcels = iter(packed.parcels)
    return [
        NewRow(
            connection=errand.connection,
            route=parcel.route,
            event=parcel.event,
            event_id=parcel.event_id,
            body=parcel.body,
            time_ms=mapped.time_ms,
            position=_position(outcome, errand, sequence),
        )
        for outcome in packed.outcomes
        for mapped, parcel in zip(outcome.events, parcels, strict=False)
    ]


def _position(outcome: Outcome, errand: Errand, sequence: int) -> Position:
    return Position(
        label=errand.label,
        sequence=sequence,
        batch=outcome.batch,
        event=outcome.event or 0,
    )
