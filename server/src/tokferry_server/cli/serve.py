"""``tokferry serve``: the gRPC service until it is told to stop."""

import logging
import os
from collections.abc import Callable, Coroutine
from enum import StrEnum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from asyncio import Future
    from signal import Signals

    from tokferry_server.settings import Seat, ServerSettings, Settings

NOTICE_SECONDS = 5.0
"""How long load balancers see NOT_SERVING before calls are refused."""
BROKEN = 3
"""The exit status when the disk is in an unknown state: only a new start helps."""
READY = "listening on "
"""What the one line of output begins with once calls are answered."""
_log = logging.getLogger(__name__)


class LogLevel(StrEnum):
    """How severe a line is."""

    DEBUG = auto()
    INFO = auto()
    WARNING = auto()
    ERROR = auto()


def serve(  # noqa: PLR0913, PLR0917  a command's options
    settings: Annotated[
        Path, typer.Option("--settings", help="The settings file (TOML).")
    ],
    listen: Annotated[
        str | None,
        typer.Option(help="HOST:PORT instead of server.listen; port 0 takes any."),
    ] = None,
    reflection: Annotated[
        bool, typer.Option("--reflection", help="Answer gRPC reflection.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="So many processes instead of server.workers."),
    ] = None,
    worker: Annotated[int | None, typer.Option(min=0, hidden=True)] = None,
    log_level: Annotated[
        LogLevel, typer.Option(help="The least severe lines to log.")
    ] = LogLevel.INFO,
) -> None:
    """Serve Transform and Forward over gRPC; SIGTERM or Ctrl-C drains and ends.

    Exit codes: 0 when told to stop; 2 when settings, port, folder or outbox are
    unusable; 3 when the disk of the outbox failed, and it has to be started anew.
    """
    from tokferry_server.cli.supervisor import supervise
    from tokferry_server.delivery.outbox.interface import OutboxBrokenError, OutboxError
    from tokferry_server.settings import (
        Seat,
        SecretError,
        SettingsError,
        load_settings,
    )
    from tokferry_server.telemetry.logs import configure_logging

    try:
        loaded = load_settings(settings)
        address = checked_address(listen or loaded.server.listen, loaded.server)
        seat = Seat(worker or 0, workers or loaded.server.workers)
        check_metrics(loaded.server.metrics, address, seat.of)
        # The supervisor is no worker: it has no number of its own.
        configure_logging(logging.getLevelName(log_level.upper()), worker=worker)
        supervises = worker is None and seat.of > 1
        shut_down = _nothing if supervises else _prepare(loaded, seat)
    except SettingsError as error:
        for problem in error.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(2) from None
    except (ValueError, RuntimeError) as error:
        typer.echo(f"tokferry serve: {error}", err=True)
        raise typer.Exit(2) from None
    status = 0
    try:
        if supervises:
            status = supervise(address, seat.of)
        else:
            child = worker is not None
            run(_serve(loaded, address, seat, reflection=reflection, child=child))
    except OutboxBrokenError as error:
        typer.echo(f"tokferry serve: {error}", err=True)
        raise typer.Exit(BROKEN) from None
    except (OSError, OutboxError, SecretError) as error:
        typer.echo(f"tokferry serve: {error}", err=True)
        raise typer.Exit(2) from None
    finally:
        shut_down()
    raise typer.Exit(status)


def checked_address(listen: str, server: "ServerSettings") -> str:
    """Give ``host:port`` if the settings guard it well enough.

    Raises:
        ValueError: other machines could call in clear text, or without being known.
    """
    from tokferry_server.settings.addresses import unguarded

    problem = unguarded(
        listen,
        encrypted=server.tls is not None or server.allow_plaintext,
        known=bool(server.principals) or server.allow_anonymous,
    )
    if problem is not None:
        raise ValueError(f"{listen} {problem}")
    return listen


def check_metrics(metrics: str | None, listen: str, workers: int) -> None:
    """Make sure that each worker has a port at which its metrics are found.

    Raises:
        ValueError: one is the port of the calls, or there are not so many.
    """
    from tokferry_server.settings.addresses import crowded

    problem = metrics and crowded(metrics, listen, workers)
    if problem:
        raise ValueError(f"server.metrics: {metrics} {problem}")


def run(main: "Coroutine[Any, Any, None]") -> None:
    """Run on the fastest event loop that is installed."""
    import asyncio

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def _prepare(loaded: "Settings", seat: "Seat") -> "Callable[[], None]":
    """Begin telemetry, in memory that all threads share; gives what ends it."""
    # These load gRPC, which the process that supervises workers must not.
    from tokferry_server.rpc.trimming import share_heap
    from tokferry_server.telemetry.export import configure_from_environment

    share_heap()
    return configure_from_environment(seat.address(loaded.server.metrics))


def _nothing() -> None:
    """There is no telemetry to shut down."""


def _collect_less() -> None:
    """Look for cycles less often than CPython, which took a tenth of the time.

    What is loaded stays, and calls leave cycles only when they are broken off. Freeing
    50,000 objects at once stopped the loop for up to 80 ms.
    """
    import gc

    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


async def _serve(
    loaded: "Settings", address: str, seat: "Seat", *, reflection: bool, child: bool
) -> None:
    import asyncio
    import signal
    from importlib.metadata import version

    from tokferry_server.assembly import assembled
    from tokferry_server.rpc.admin_server import forget_sockets

    _log.info(
        "starting",
        extra={
            "version": version("tokferry-server"),
            "connections": len(loaded.connections),
        },
    )
    stop = _told_to_stop(child=child)
    if seat.number == 0:
        forget_sockets(loaded.server.state_dir, seat.of)
    async with assembled(loaded, seat=seat, reflection=reflection) as service:
        try:
            await service.admin.start()
        except OSError as error:
            if loaded.outbox is not None:
                raise
            # There is little to steer: events can be served from a read-only disk.
            _log.warning("no admin service", extra={"error": error})
        port = await service.server.start(address)
        host = address.rpartition(":")[0]
        print(f"{READY}{host}:{port}", flush=True)  # noqa: T201
        _collect_less()
        _log.info("ready", extra={"address": f"{host}:{port}"})
        failed = asyncio.ensure_future(service.failed())
        await asyncio.wait((stop, failed), return_when=asyncio.FIRST_COMPLETED)
        _log.info("draining")
        orderly = stop.done() and stop.result() == signal.SIGTERM
        await service.server.drain(notice_seconds=NOTICE_SECONDS if orderly else 0.0)
        if failed.done():
            failed.result()
        failed.cancel()
    _log.info("stopped")


def _told_to_stop(*, child: bool) -> "Future[Signals]":
    """Give what tells of the first signal; a worker's input ends with its supervisor.

    That is no orderly end: somebody killed the supervisor and wants it all over.
    """
    import asyncio
    import signal

    loop = asyncio.get_running_loop()
    stop: Future[Signals] = loop.create_future()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop, stop, number)

    def end_of_input() -> None:
        if not os.read(0, 1):
            loop.remove_reader(0)
            _stop(stop, signal.SIGINT)

    if child:
        loop.add_reader(0, end_of_input)
    return stop


def _stop(stop: "Future[Signals]", number: "Signals") -> None:
    if not stop.done():
        stop.set_result(number)
