"""What the admin service shows and steers, and the errors of its outbox."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from tokferry.v1 import ErrorReason
from tokferry_server.delivery.durable.pauses import PauseFolder
from tokferry_server.delivery.durable.worker import Worker
from tokferry_server.delivery.outbox.interface import (
    Caps,
    InspectableOutbox,
    OutboxError,
    OutboxFullError,
)
from tokferry_server.rpc.connections import Connections
from tokferry_server.rpc.errors import CallError
from tokferry_server.rpc.open_outbox import caps_of
from tokferry_server.settings import Seat, Settings

_FULL_RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """An outbox, how much it may hold, and the folder it is in."""

    outbox: InspectableOutbox
    caps: Caps
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """All that one worker process has, and its ``number`` among them.

    ``worker`` is ``None`` while none delivers.
    """

    connections: Connections = field(repr=False)
    names: Sequence[str]
    pauses: PauseFolder
    storage: Storage | None = None
    worker: Worker | None = None
    number: int = 0

    def stored(self) -> Storage:
        """Give the outbox.

        Raises:
            CallError: FAILED_PRECONDITION if there is none.
        """
        if self.storage is None:
            raise CallError(
                code=grpc.StatusCode.FAILED_PRECONDITION,
                reason=ErrorReason.ERROR_REASON_NO_OUTBOX,
                message="no outbox is configured: add [outbox] to the settings",
            )
        return self.storage

    async def check_connection(self, name: str) -> None:
        """Find out whether the settings, or rows that are left, know a connection.

        Raises:
            CallError: FAILED_PRECONDITION if neither does.
        """
        if not name or name in self.names:
            return
        if self.storage is None or name not in await self.storage.outbox.balance():
            self.connections.get(name)

    def wake(self) -> None:
        """Let the worker see at once what there is to send."""
        if self.worker is not None:
            self.worker.wake()

    async def look(self) -> None:
        """Let the worker see at once that a pause was set or ended."""
        if self.worker is not None:
            await self.worker.look()


@contextmanager
def outbox_errors() -> Iterator[None]:
    """Turn what the outbox raises into what a call ends with."""
    try:
        yield
    except OutboxFullError as error:
        raise CallError(
            code=grpc.StatusCode.RESOURCE_EXHAUSTED,
            reason=ErrorReason.ERROR_REASON_OUTBOX_FULL,
            message=str(error),
            retry_after=_FULL_RETRY_SECONDS,
        ) from None
    except OutboxError as error:
        raise CallError(
            code=grpc.StatusCode.UNAVAILABLE,
            reason=ErrorReason.ERROR_REASON_OUTBOX_UNAVAILABLE,
            message=str(error),
            retry_after=_FULL_RETRY_SECONDS,
        ) from None


def estate_of(
    settings: Settings,
    connections: Connections,
    *,
    outbox: InspectableOutbox | None,
    worker: Worker | None,
    seat: Seat | None = None,
) -> Estate:
    """Give the estate of a worker with these settings, which are its share."""
    seat = seat or Seat()
    storage = None
    if outbox is not None and settings.outbox is not None:
        storage = Storage(
            outbox=outbox,
            caps=caps_of(settings.outbox, seat.of),
            folder=settings.outbox.path.parent,
        )
    return Estate(
        connections=connections,
        names=tuple(settings.connections),
        pauses=pauses_of(settings),
        storage=storage,
        worker=worker,
        number=seat.number,
    )


def pauses_of(settings: Settings) -> PauseFolder:
    """Give the pauses of a service with these settings."""
    return PauseFolder(settings.server.state_dir / "pauses")
