"""The one place where settings become running objects."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import grpc
from opentelemetry import metrics, trace

from tokferry_server import background
from tokferry_server.delivery.durable.connection import WorkerConnection
from tokferry_server.delivery.durable.journal import Journal
from tokferry_server.delivery.durable.pauses import PauseFolder
from tokferry_server.delivery.durable.worker import Worker
from tokferry_server.delivery.forward import Forwarder
from tokferry_server.delivery.outbox.interface import InspectableOutbox
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox, adopt_all
from tokferry_server.delivery.pace import AppPace, PacedPoster, TokenBucket
from tokferry_server.delivery.poster import Timeouts
from tokferry_server.delivery.transport import Transport
from tokferry_server.rpc.access import Access
from tokferry_server.rpc.admin import AdminService
from tokferry_server.rpc.admin_estate import estate_of, pauses_of
from tokferry_server.rpc.admin_server import AdminServer, admin_socket
from tokferry_server.rpc.admission import Admission
from tokferry_server.rpc.body_memory import BodyMemory, memory_limit
from tokferry_server.rpc.connections import Connections
from tokferry_server.rpc.dispatch import Dispatch
from tokferry_server.rpc.open_outbox import caps_of, open_outbox
from tokferry_server.rpc.server import Server
from tokferry_server.rpc.service import ForwardingService
from tokferry_server.rpc.tls import Certificates
from tokferry_server.settings import (
    ConnectionSettings,
    OutboxSettings,
    Seat,
    ServerSettings,
    Settings,
    TikTokSettings,
)
from tokferry_server.settings.seat import found
from tokferry_server.telemetry.notices import Notices
from tokferry_server.telemetry.standing import DurableStanding, Queue, Standing
from tokferry_server.telemetry.telemetry import Telemetry
from tokferry_server.telemetry.vitals import Vitals


@dataclass(frozen=True, slots=True)
class Durable:
    """What makes events durable: the outbox, and the worker that empties it."""

    outbox: InspectableOutbox
    worker: Worker
    pauses: PauseFolder
    running: "asyncio.Task[None]"


@dataclass(frozen=True, slots=True)
class Assembled:
    """Servers ready to start, and what works behind them."""

    server: Server
    admin: AdminServer
    durable: Durable | None

    async def failed(self) -> None:
        """Return when the service cannot go on, by raising why; else never.

        Raises:
            OutboxBrokenError: the state of the disk is unknown.
        """
        if self.durable is None:
            await asyncio.Event().wait()
        else:
            await asyncio.shield(self.durable.running)


@dataclass(frozen=True, slots=True)
class _Lines:
    """The connections' ways to TikTok, and the paces of the apps they share."""

    transports: Mapping[str, Transport]
    paces: Mapping[str, AppPace]
    connections: Connections = field(repr=False)


@asynccontextmanager
async def assembled(
    settings: Settings,
    *,
    seat: Seat | None = None,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
    reflection: bool = False,
) -> AsyncIterator[Assembled]:
    """Give a service; on leaving, what is under way to TikTok is waited for.

    ``seat`` says which worker of a service it is; ``settings`` are the whole service's.

    Raises:
        OSError: the files of TLS cannot be used.
        OutboxError: the outbox cannot be opened.
        SecretError: a principal's token cannot be used.
    """
    seat = seat or Seat()
    settings = seat.share(settings)
    async with AsyncExitStack() as stack:
        notices = Notices()
        telemetry = Telemetry(
            settings.connections,
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
            alarm=notices.alarm,
        )
        lines = await _lines(settings, stack, telemetry)
        durable = None
        if settings.outbox is not None:
            durable = await stack.enter_async_context(
                _durable(settings, settings.outbox, lines, seat)
            )
        dispatch = Dispatch(
            connections=lines.connections,
            outbox=durable.outbox if durable else None,
            stored=durable.worker.wake if durable else _nothing,
            paused=pauses_of(settings).holds,
            telemetry=telemetry,
        )
        draining = asyncio.Event()
        server = Server(
            ForwardingService(
                connections=lines.connections,
                dispatch=dispatch,
                draining=draining,
                telemetry=telemetry,
            ),
            draining=draining,
            admission=_admission(settings.server, seat),
            credentials=_credentials(settings.server),
            telemetry=telemetry,
            reflection=reflection,
            share_port=seat.of > 1,
            has_room=durable.outbox.has_room if durable else None,
        )
        admin = AdminServer(
            AdminService(
                estate_of(
                    settings,
                    lines.connections,
                    outbox=durable.outbox if durable else None,
                    worker=durable.worker if durable else None,
                    seat=seat,
                )
            ),
            path=seat.file(admin_socket(settings.server.state_dir)),
            telemetry=telemetry,
        )
        stack.push_async_callback(admin.stop)
        standing = _standing(settings, lines, durable, telemetry, notices)
        await stack.enter_async_context(_meanwhile(standing.run()))
        await stack.enter_async_context(_meanwhile(Vitals(telemetry.instruments).run()))
        yield Assembled(server, admin, durable)


def _admission(server: ServerSettings, seat: Seat) -> Admission:
    of_group = memory_limit()
    return Admission(
        Access(server.principals) if server.principals else None,
        BodyMemory(limit=server.memory_limit or (of_group and of_group // seat.of)),
    )


def _credentials(server: ServerSettings) -> grpc.ServerCredentials | None:
    return None if server.tls is None else Certificates(server.tls).credentials()


async def _lines(
    settings: Settings,
    stack: AsyncExitStack,
    telemetry: Telemetry,
) -> _Lines:
    transports = {
        name: await stack.enter_async_context(
            _transport(settings.tiktok, connection, telemetry)
        )
        for name, connection in settings.connections.items()
    }
    paces = {
        connection.app: AppPace(bucket=TokenBucket(connection.rate))
        for connection in settings.connections.values()
    }
    forwarders = {
        name: Forwarder(PacedPoster(transports[name], paces[connection.app]))
        for name, connection in settings.connections.items()
    }
    return _Lines(transports, paces, Connections(settings.connections, forwarders))


@asynccontextmanager
async def _durable(
    settings: Settings, outbox_settings: OutboxSettings, lines: _Lines, seat: Seat
) -> AsyncIterator[Durable]:
    outbox = await open_outbox(outbox_settings, seat.of)
    state = settings.server.state_dir
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    pauses = pauses_of(settings)
    worker = Worker(
        outbox=outbox,
        connections={
            name: _worker_connection(name, connection, lines)
            for name, connection in settings.connections.items()
        },
        pauses=pauses,
        journal=Journal(seat.file(state / "journal.json")),
    )
    running = asyncio.create_task(worker.run())
    adopting = background.begin(_adopt(seat, outbox, worker))
    try:
        yield Durable(outbox, worker, pauses, running)
    finally:
        adopting.cancel()
        await asyncio.wait([adopting])
        await worker.stop()
        await asyncio.wait([running])
        await outbox.close()


async def _adopt(seat: Seat, outbox: SqliteOutbox, worker: Worker) -> None:
    """Take over what workers left that there are no more; the first one does it."""
    if seat.number == 0:

        def left() -> list[Path]:
            return [path for n, path in found(outbox.path).items() if n >= seat.of]

        await adopt_all(left, outbox, worker.wake)


def _worker_connection(
    name: str, connection: ConnectionSettings, lines: _Lines
) -> WorkerConnection:
    return WorkerConnection(
        poster=lines.transports[name],
        token=lambda: lines.connections.access_token(name),
        pace=lines.paces[connection.app],
        concurrency=connection.concurrency,
        max_event_age=connection.mapping.max_event_age_seconds,
    )


def _nothing() -> None:
    """Wake nobody: without an outbox there is no worker."""


def _transport(
    tiktok: TikTokSettings,
    connection: ConnectionSettings,
    telemetry: Telemetry,
) -> Transport:
    return Transport(
        base_url=tiktok.base_url,
        user_agent=f"tokferry/{version('tokferry-server')}",
        allow_loopback=tiktok.allow_loopback,
        timeouts=Timeouts(
            connect=connection.timeouts.connect,
            write=connection.timeouts.write,
            read=connection.timeouts.read,
            attempt=connection.timeouts.attempt,
        ),
        max_in_flight=connection.concurrency,
        tracer_provider=telemetry.tracer_provider,
        observer=telemetry.instruments,
    )


def _standing(
    settings: Settings,
    lines: _Lines,
    durable: Durable | None,
    telemetry: Telemetry,
    notices: Notices,
) -> Standing:
    throttles = {
        name: lines.paces[connection.app].throttle
        for name, connection in settings.connections.items()
    }
    if durable is None or settings.outbox is None:
        return Standing(telemetry.instruments, notices, throttles)
    queue = Queue(
        lanes=lambda: durable.worker.status().connections,
        stats=durable.outbox.stats,
        caps=caps_of(settings.outbox),
    )
    return DurableStanding(telemetry.instruments, notices, throttles, queue)


@asynccontextmanager
async def _meanwhile(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Do some endless work until the end of the block."""
    task = background.begin(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
