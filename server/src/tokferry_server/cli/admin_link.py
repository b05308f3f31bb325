"""Reaches the admin services: over sockets, or in this process while they are down."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from tokferry_server.cli.paper import complain

if TYPE_CHECKING:
    from tokferry_server.delivery.outbox.sqlite import SqliteOutbox
    from tokferry_server.rpc.admin import AdminService
    from tokferry_server.settings import Seat, Settings

T = TypeVar("T")

Service = Annotated[
    Path,
    typer.Option("--settings", help="The settings file of the service."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

_UNUSABLE: Final = 2
_ABOUT_LETTERS: Final = frozenset({"NOT_FOUND", "COUNT_MISMATCH", "REPLAY_REFUSED"})


class UnreachableError(Exception):
    """Neither the service nor its outbox can be reached; the text says why."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Takes the calls of ``AdminService``; ``running`` says whether a service does.

    ``silent`` are the numbers of workers that do not answer though others do.
    """

    calls: Any
    running: bool
    silent: tuple[int, ...] = ()


def at_desk(
    settings: Path,
    work: Callable[[Desk], Coroutine[Any, Any, T]],
    *,
    needs_outbox: bool = True,
) -> T:
    """Do some work with the service, or with its files while it is down.

    ``needs_outbox`` says whether the outbox has to be opened then. Ends the command:
    with 1 when the call fails for the dead letters asked for, with 2 when settings,
    service or request are unusable.
    """
    from grpc import RpcError

    from tokferry_server.cli.admin_refusal import reason_and_text
    from tokferry_server.cli.serve import run
    from tokferry_server.delivery.outbox.interface import OutboxError
    from tokferry_server.rpc.errors import CallError
    from tokferry_server.settings import SettingsError, load_settings

    done: list[T] = []

    async def main() -> None:
        async with desk(load_settings(settings), needs_outbox=needs_outbox) as found:
            _complain_of(found.silent)
            done.append(await work(found))

    try:
        run(main())
    except SettingsError as error:
        for problem in error.problems:
            complain(str(problem))
        raise typer.Exit(_UNUSABLE) from None
    except (RpcError, CallError) as error:
        reason, text = reason_and_text(error)
        complain(text)
        raise typer.Exit(1 if reason in _ABOUT_LETTERS else _UNUSABLE) from None
    except (OutboxError, UnreachableError, OSError) as error:
        complain(str(error))
        raise typer.Exit(_UNUSABLE) from None
    return done[0]


@asynccontextmanager
async def desk(settings: "Settings", *, needs_outbox: bool) -> AsyncIterator[Desk]:
    """Give the running service, or its files while it is down.

    Raises:
        UnreachableError: neither can be had.
        OSError: the socket can have no such path.
    """
    import grpc

    from tokferry.v1.admin_service_pb2_grpc import AdminServiceStub
    from tokferry_server.rpc.admin_server import admin_socket, check_length
    from tokferry_server.settings.seat import found

    socket = admin_socket(settings.server.state_dir)
    check_length(socket)
    sockets = found(socket)
    listening = {n: path for n, path in sockets.items() if _answers(path)}
    async with AsyncExitStack() as stack:
        workers: dict[int, Any] = {}
        if not listening:
            workers.update(await _at_rest(settings, stack, needs_outbox=needs_outbox))
            yield Desk(_one(workers), running=False)
            return
        for number, path in listening.items():
            channel = grpc.aio.insecure_channel(f"unix:{path}")
            workers[number] = AdminServiceStub(await stack.enter_async_context(channel))
        shards = found(settings.outbox.path) if settings.outbox else {}
        silent = tuple(sorted((sockets.keys() | shards.keys()) - listening.keys()))
        yield Desk(_one(workers), running=True, silent=silent)


def _answers(path: Path) -> bool:
    from tokferry_server.rpc.admin_server import answers

    try:
        return answers(path)
    except PermissionError:
        raise UnreachableError(
            f"{path} may only be opened by the user that runs the service"
        ) from None


def _complain_of(silent: Iterable[int]) -> None:
    for number in silent:
        complain(
            f"worker {number} does not answer: what it holds is left out; it may be "
            "starting, so ask again"
        )


def _one(workers: Mapping[int, Any]) -> Any:
    from tokferry_server.cli.admin_crew import Crew

    return Crew(workers) if len(workers) > 1 else next(iter(workers.values()))


async def _at_rest(
    settings: "Settings", stack: AsyncExitStack, *, needs_outbox: bool
) -> Mapping[int, "AdminService"]:
    from tokferry_server.rpc.admin import AdminService
    from tokferry_server.rpc.admin_estate import estate_of
    from tokferry_server.rpc.connections import Connections
    from tokferry_server.settings import Seat
    from tokferry_server.settings.seat import found

    connections = Connections(settings.connections, {})
    shards: Mapping[int, Path] = {}
    if needs_outbox and settings.outbox is not None:
        shards = found(settings.outbox.path)
        if not shards:
            raise UnreachableError(
                "the service is not running, and there is no outbox at "
                f"{settings.outbox.path}: nothing was ever accepted there"
            )
    services = {}
    for number in shards or (0,):
        seat = Seat(number, max(1, len(shards)))
        share = seat.share(settings)
        outbox = await _opened(share, seat, stack) if shards else None
        services[number] = AdminService(
            estate_of(share, connections, outbox=outbox, worker=None, seat=seat)
        )
    return services


async def _opened(
    settings: "Settings", seat: "Seat", stack: AsyncExitStack
) -> "SqliteOutbox | None":
    from tokferry_server.delivery.outbox.interface import OutboxError
    from tokferry_server.rpc.open_outbox import open_outbox

    if settings.outbox is None:
        return None
    try:
        outbox = await open_outbox(settings.outbox, seat.of)
    except OutboxError as error:
        raise UnreachableError(f"the service does not answer, and {error}") from None
    stack.push_async_callback(outbox.close)
    return outbox
