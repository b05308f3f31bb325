"""Reaches the admin service: over its socket, or in this process while it is down."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from tokferry_server.cli.paper import complain

if TYPE_CHECKING:
    from tokferry_server.rpc.admin import AdminService
    from tokferry_server.settings import Settings

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
    """Takes the calls of ``AdminService``; ``running`` says whether a service does."""

    calls: Any
    running: bool


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

    from tokferry_server.cli.serve import run
    from tokferry_server.delivery.outbox.interface import OutboxError
    from tokferry_server.rpc.errors import CallError
    from tokferry_server.settings import SettingsError, load_settings

    done: list[T] = []

    async def main() -> None:
        async with _desk(load_settings(settings), needs_outbox=needs_outbox) as desk:
            done.append(await work(desk))

    try:
        run(main())
    except SettingsError as error:
        for problem in error.problems:
            complain(str(problem))
        raise typer.Exit(_UNUSABLE) from None
    except RpcError as error:
        reason, text = _told(error)
        complain(text)
        raise typer.Exit(1 if reason in _ABOUT_LETTERS else _UNUSABLE) from None
    except CallError as error:
        complain(error.message)
        raise typer.Exit(1 if _name(error) in _ABOUT_LETTERS else _UNUSABLE) from None
    except (OutboxError, UnreachableError, OSError) as error:
        complain(str(error))
        raise typer.Exit(_UNUSABLE) from None
    return done[0]


@asynccontextmanager
async def _desk(settings: "Settings", *, needs_outbox: bool) -> AsyncIterator[Desk]:
    import grpc

    from tokferry.v1.admin_service_pb2_grpc import AdminServiceStub
    from tokferry_server.rpc.admin_server import admin_socket, answers, check_length

    path = admin_socket(settings.server.state_dir)
    check_length(path)
    try:
        running = answers(path)
    except PermissionError:
        raise UnreachableError(
            f"{path} may only be opened by the user that runs the service"
        ) from None
    if running:
        async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
            yield Desk(AdminServiceStub(channel), running=True)
    else:
        async with _at_rest(settings, needs_outbox=needs_outbox) as service:
            yield Desk(service, running=False)


@asynccontextmanager
async def _at_rest(
    settings: "Settings", *, needs_outbox: bool
) -> AsyncIterator["AdminService"]:
    from tokferry_server.delivery.outbox.interface import OutboxError
    from tokferry_server.delivery.outbox.sqlite import SqliteOutbox
    from tokferry_server.rpc.admin import AdminService
    from tokferry_server.rpc.admin_estate import caps_of, estate_of
    from tokferry_server.rpc.connections import Connections

    outbox = None
    given = settings.outbox
    if needs_outbox and given is not None:
        if not given.path.exists():
            raise UnreachableError(
                f"the service is not running, and there is no outbox at {given.path}: "
                "nothing was ever accepted there"
            )
        try:
            outbox = await SqliteOutbox.open(given.path, caps=caps_of(given))
        except OutboxError as error:
            raise UnreachableError(
                f"the service does not answer, and {error}"
            ) from None
    try:
        connections = Connections(settings.connections, {})
        yield AdminService(estate_of(settings, connections, outbox=outbox, worker=None))
    finally:
        if outbox is not None:
            await outbox.close()


def _told(error: Any) -> tuple[str, str]:
    """Give the reason and the text of a failed call."""
    from google.rpc import error_details_pb2
    from grpc_status import rpc_status

    status = rpc_status.from_call(error)
    if status is None:
        return "", f"the service did not answer the call ({error.code().name})"
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info):
            break
    return info.reason, status.message


def _name(error: Any) -> str:
    from tokferry.v1 import ErrorReason

    return ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_")
