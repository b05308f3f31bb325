"""``tokferry serve``: the gRPC service until it is told to stop."""

import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from asyncio import Future
    from signal import Signals

    from tokferry_server.settings import Settings

NOTICE_SECONDS = 5.0
"""How long load balancers see NOT_SERVING before calls are refused."""


def serve(
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
) -> None:
    """Serve Transform and Forward over gRPC; SIGTERM or Ctrl-C drains and ends."""
    from tokferry_server.delivery.outbox.interface import OutboxError
    from tokferry_server.settings import SettingsError, load_settings
    from tokferry_server.telemetry.tracing import configure_from_environment

    try:
        loaded = load_settings(settings)
        address = checked_address(listen or loaded.server.listen)
        configure_from_environment()
    except SettingsError as error:
        for problem in error.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(2) from None
    except (ValueError, RuntimeError) as error:
        typer.echo(f"tokferry serve: {error}", err=True)
        raise typer.Exit(2) from None
    try:
        run(_serve(loaded, address, reflection=reflection))
    except (OSError, OutboxError) as error:
        typer.echo(f"tokferry serve: {error}", err=True)
        raise typer.Exit(2) from None


def checked_address(listen: str) -> str:
    """Give ``host:port`` if it is a loopback address.

    Raises:
        ValueError: Calls would travel in clear text.
    """
    import ipaddress

    host = listen.rpartition(":")[0].strip("[]")
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ValueError(
            f"{listen} is not a loopback address, and this version has no TLS: "
            "listen on 127.0.0.1 behind a proxy that has"
        )
    return listen


def run(main: "Coroutine[Any, Any, None]") -> None:
    """Run on the fastest event loop that is installed."""
    import asyncio

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


async def _serve(loaded: "Settings", address: str, *, reflection: bool) -> None:
    import asyncio
    import signal

    from tokferry_server.assembly import assembled

    stop = asyncio.get_running_loop().create_future()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _stop, stop, number)
    async with assembled(loaded, reflection=reflection) as service:
        try:
            await service.admin.start()
        except OSError as error:
            if loaded.outbox is not None:
                raise
            # There is little to steer: events can be served from a read-only disk.
            typer.echo(f"no admin service: {error}", err=True)
        port = await service.server.start(address)
        host = address.rpartition(":")[0]
        print(f"listening on {host}:{port}", flush=True)  # noqa: T201
        failed = asyncio.ensure_future(service.failed())
        await asyncio.wait((stop, failed), return_when=asyncio.FIRST_COMPLETED)
        print("draining", file=sys.stderr, flush=True)  # noqa: T201
        orderly = stop.done() and stop.result() == signal.SIGTERM
        await service.server.drain(notice_seconds=NOTICE_SECONDS if orderly else 0.0)
        if failed.done():
            failed.result()
        failed.cancel()


def _stop(stop: "Future[Signals]", number: "Signals") -> None:
    if not stop.done():
        stop.set_result(number)
