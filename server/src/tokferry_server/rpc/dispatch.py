"""What Forward and ForwardStream share: batches in, a result for each event."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import grpc

from tokferry.v1 import DeliveryMode, ErrorReason
from tokferry_server.delivery.group import Parcel
from tokferry_server.delivery.outbox.interface import (
    NewRow,
    Outbox,
    OutboxBrokenError,
    OutboxFullError,
    Position,
    Put,
)
from tokferry_server.delivery.result import MESSAGES, PAUSED, DeliveryResult
from tokferry_server.delivery.trace_context import of_current_call
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.model import Batch, Malformed
from tokferry_server.rpc import forwarding
from tokferry_server.rpc.connections import Connections, check_test_code
from tokferry_server.rpc.errors import CallError, Violation, invalid
from tokferry_server.rpc.forwarding import Prepared, Reply
from tokferry_server.rpc.slices import collect
from tokferry_server.rpc.turns import turn
from tokferry_server.telemetry.telemetry import Telemetry
from tokferry_server.tiktok.formats import wire_format
from tokferry_server.tiktok.reasons import DeliveryReason

SYNC: Final = DeliveryMode.DELIVERY_MODE_SYNC
DURABLE: Final = DeliveryMode.DELIVERY_MODE_DURABLE
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

    def __init__(  # noqa: PLR0913  keyword-only parts
        self,
        *,
        connections: Connections,
        outbox: Outbox | None = None,
        stored: Callable[[], None] = lambda: None,
        paused: Callable[[str], bool] = lambda _: False,
        clock: Callable[[], float] = time.time,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._connections = connections
        self._outbox = outbox
        self._stored = stored
        self._paused = paused
        self._clock = clock
        self._telemetry = telemetry or Telemetry()

    def check(self, errand: Errand) -> None:
        """Find out before the first event whether the errand can be run.

        Raises:
            CallError: it cannot; nothing was accepted.
        """
        self._connections.get(errand.connection)
        check_test_code(errand.test_event_code)
        if len(errand.label) > MAX_LABEL or not errand.label.isprintable():
            text = f"must be at most {MAX_LABEL} printable characters"
            raise invalid(
                ErrorReason.ERROR_REASON_INVALID_ARGUMENT, [Violation("label", text)]
            )
        if errand.mode == DURABLE and self._outbox is None:
            raise CallError(
                code=grpc.StatusCode.FAILED_PRECONDITION,
                reason=ErrorReason.ERROR_REASON_NO_OUTBOX,
                message="no outbox is configured, and without one nothing is durable: "
                "add [outbox] to the settings, or use mode SYNC",
            )
        if errand.mode == SYNC and not errand.validate_only:
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
        if not asked:
            return default
        if asked not in (SYNC, DURABLE):
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
        reply: Reply,
        *,
        deadline: float,
    ) -> None:
        """Map events, deliver them, and write a result for each into ``reply``.

        ``deadline`` is on the monotonic clock, in seconds.

        Raises:
            CallError: as ``deliver`` does.
        """
        prepared = await self.prepare(batches, errand)
        await self.deliver(prepared, errand, reply, deadline=deadline)

    def wanted(self, errand: Errand) -> frozenset[str]:
        """Give the fields of the model that the errand's mapping reads."""
        return self._transformer(errand).wanted

    def _transformer(self, errand: Errand) -> Transformer:
        return self._connections.transformer(
            errand.connection, test_event_code=errand.test_event_code
        )

    async def prepare(
        self, batches: Sequence[Batch | Malformed], errand: Errand
    ) -> list[Prepared]:
        """Map events and encode what is to be sent, letting others run in between."""
        transformer = self._transformer(errand)
        connection = transformer.connection
        outcomes = transformer.transform(batches)
        if (max_age := connection.max_event_age_seconds) is not None:
            earliest = self._clock() - max_age
            outcomes = forwarding.drop_old(outcomes, earliest_ms=earliest * 1000)
        outcomes = self._telemetry.instruments.mapped(errand.connection, outcomes)
        wire = wire_format(connection.wire_format)
        prepared = forwarding.prepare(outcomes, connection.route, wire)
        with self._telemetry.spans.mapping(errand.connection, batches):
            return await collect(prepared)

    async def deliver(
        self,
        prepared: Sequence[Prepared],
        errand: Errand,
        reply: Reply,
        *,
        deadline: float,
        sequence: int = 0,
    ) -> None:
        """Deliver what was prepared; write a result for each input event, in order.

        Raises:
            CallError: RESOURCE_EXHAUSTED when the outbox is full, UNAVAILABLE when its
                disk fails; nothing was accepted then.
        """
        if errand.validate_only:
            kinds = forwarding.write_validated(prepared, reply)
        elif errand.mode == DURABLE:
            puts = await self._store(_rows(prepared, errand, sequence))
            kinds = forwarding.write_stored(prepared, puts, reply)
        else:
            parcels = forwarding.parcels_of(prepared)
            results = await self._send(parcels, errand, deadline)
            kinds = forwarding.write_delivered(prepared, results, reply)
        self._telemetry.instruments.forwarded(errand.connection, kinds)

    async def _send(
        self, parcels: Sequence[Parcel], errand: Errand, deadline: float
    ) -> Sequence[DeliveryResult]:
        turn.get().give_back()
        if self._paused(errand.connection):  # while a stream was open
            return [PAUSED] * len(parcels)
        return await self._connections.forwarder(errand.connection).forward(
            parcels,
            partial(self._connections.access_token, errand.connection),
            key=errand.connection,
            deadline=deadline,
        )

    async def _store(self, rows: Sequence[NewRow]) -> Sequence[Put]:
        if self._outbox is None:
            raise RuntimeError("checked before the first event")
        turn.get().give_back()
        try:
            puts = await self._outbox.put(rows) if rows else []
        except OutboxFullError as error:
            raise CallError(
                code=grpc.StatusCode.RESOURCE_EXHAUSTED,
                reason=ErrorReason.ERROR_REASON_OUTBOX_FULL,
                message=f"nothing was accepted: {error}",
                quota=Violation("outbox", str(error)),
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
        return puts


def _rows(prepared: Iterable[Prepared], errand: Errand, sequence: int) -> list[NewRow]:
    trace = of_current_call()
    return [
        NewRow(
            connection=errand.connection,
            route=parcel.route,
            event=parcel.event,
            event_id=parcel.event_id,
            body=parcel.body,
            time_ms=parcel.time_ms,
            trace=trace,
            position=Position(
                label=errand.label,
                sequence=sequence,
                batch=one.batch,
                event=one.event or 0,
            ),
        )
        for one in prepared
        for parcel in one.parcels
    ]
