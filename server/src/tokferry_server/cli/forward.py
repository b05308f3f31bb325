"""`tokferry forward`: delivers files of batches in bulk, and can be resumed."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from tokferry_server.cli.forward_identity import (
    Authorities,
    Certificate,
    Identity,
    Key,
    TokenFile,
    UseTls,
    identity,
)
from tokferry_server.cli.options import Files, WrapEvents
from tokferry_server.cli.paper import complain
from tokferry_server.cli.settings import UNUSABLE, load_or_exit

if TYPE_CHECKING:
    from tokferry_server.cli.forward_run import Run
    from tokferry_server.cli.forward_target import Target
    from tokferry_server.settings import Settings

NOT_ALL = 1
DEFAULT_TARGET = "127.0.0.1:50051"


def forward(  # noqa: PLR0913  what the command takes
    files: Files,
    *,
    settings: Annotated[
        Path | None,
        typer.Option(help="The settings file; with --target for its names only."),
    ] = None,
    connection: Annotated[
        str | None,
        typer.Option(help="The connection's name, unless the settings have only one."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="The running server. Default: the settings' server.listen, else "
            f"{DEFAULT_TARGET}.",
        ),
    ] = None,
    tls: UseTls = False,
    ca: Authorities = None,
    certificate: Certificate = None,
    key: Key = None,
    token_file: TokenFile = None,
    local: Annotated[
        bool,
        typer.Option("--local", help="Use a server within this command; mode sync."),
    ] = False,
    mode: Annotated[
        Literal["sync", "durable"] | None,
        typer.Option(help="Wait for TikTok, or for the outbox. Default: the server's."),
    ] = None,
    label: Annotated[
        str, typer.Option(help="A name to ask the outbox about these events later.")
    ] = "",
    state: Annotated[
        Path | None,
        typer.Option(help="Keep here what is done; the same command resumes."),
    ] = None,
    failed: Annotated[
        Path | None,
        typer.Option(
            help="Write here what was not delivered, to be forwarded again. Default "
            "with --state: its name with .failed.ndjson."
        ),
    ] = None,
    test: Annotated[
        bool, typer.Option("--test", help="Refuse to send without a test event code.")
    ] = False,
    test_event_code: Annotated[
        str | None, typer.Option(help="The code of TikTok's Test Events page.")
    ] = None,
    wrap_events: WrapEvents = False,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait",
            help="Wait until nothing with the label is left in the outbox; on the "
            "machine of the service, with its --settings.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON.")
    ] = False,
) -> None:
    """Deliver files of mParticle events in bulk, through a running server.

    Ctrl-C finishes what is under way, a second one ends at once; with --state the same
    command goes on where it was. A server that restarts meanwhile is waited for.

    Exit code 0: every event is delivered, accepted, or dropped as intended; with
    --wait, there are no dead letters, too. 1: some are not. 2: input, settings or
    target are unusable. 130: interrupted, also while waiting.
    """
    from tokferry_server.cli.forward_job import JobError, prepared
    from tokferry_server.cli.forward_run import Job
    from tokferry_server.cli.forward_summary import print_summary

    try:
        own = identity(
            tls=tls, ca=ca, certificate=certificate, key=key, token_file=token_file
        )
    except ValueError as error:
        _exit(str(error))
    chosen = _target(settings, connection, target, own, local=local, mode=mode)
    try:
        run = prepared(
            Job(
                target=chosen,
                inputs=[],
                wrap_events=wrap_events,
                label=label,
                test=test,
                test_event_code=test_event_code,
                state=state,
                wait=_watched(chosen, settings, label) if wait else None,
            ),
            files,
            failed,
        )
    except JobError as error:
        _exit(str(error))
    _run(run)
    code = _code(run)
    if run.error is not None and code == UNUSABLE and not run.tally.rows:
        _exit(str(run.error))
    print_summary(run, as_json=as_json)
    raise typer.Exit(code)


def _run(run: "Run") -> None:
    from tokferry_server.cli.forward_target import TargetError
    from tokferry_server.cli.serve import run as run_on_loop

    try:
        run_on_loop(run.run())
    except (TargetError, OSError) as error:
        _exit(str(error))


def _target(  # noqa: PLR0913  what the command takes
    path: Path | None,
    connection: str | None,
    address: str | None,
    own: Identity,
    *,
    local: bool,
    mode: str | None,
) -> "Target":
    """Give the server and the connection that the options name."""
    from tokferry._channel import is_loopback
    from tokferry_server.cli.forward_target import Target

    if local and (path is None or address is not None):
        _exit("--local: needs --settings, and no --target")
    settings = None if path is None else load_or_exit(path)
    name = _connection(settings, connection)
    if local and settings is not None:
        mode = mode or "sync"
        return Target(
            connection=name, local=settings, mode=mode, address="this process"
        )
    if address is None:
        address = settings.server.listen if settings else DEFAULT_TARGET
    if not own.tls and not is_loopback(address):
        _exit(f"--target {address}: events would travel in clear text; add --tls")
    return Target(connection=name, address=address, identity=own, mode=mode)


def _watched(target: "Target", path: Path | None, label: str) -> "Settings":
    """Give the settings of the service whose outbox is to be waited for."""
    from tokferry._channel import is_loopback

    if not label:
        _exit("--wait: needs --label, the name to ask the outbox by")
    if target.mode == "sync":
        _exit("--wait: with mode sync nothing waits; use --mode durable")
    if target.local is not None:
        return target.local
    if path is None or not is_loopback(target.address):
        _exit(
            "--wait: an outbox is looked into on the machine of its service, with the "
            "--settings of the service; forward without it and ask there: "
            f"tokferry outbox stats --settings FILE --label {shlex.quote(label)}"
        )
    return load_or_exit(path)


def _connection(settings: "Settings | None", name: str | None) -> str:
    if settings is None:
        return name or _exit("name the connection with --connection")
    names = ", ".join(settings.connections)
    if name is None:
        if len(settings.connections) > 1:
            _exit(f"choose one with --connection: {names}")
        return next(iter(settings.connections))
    if name not in settings.connections:
        _exit(f'no connection "{name}" (there are: {names})')
    return name


def _code(run: "Run") -> int:
    import tokferry
    from tokferry_server.cli.forward_run import INTERRUPTED

    wrong = (
        tokferry.InvalidRequest,
        tokferry.FailedPrecondition,
        tokferry.Unauthenticated,
        tokferry.PermissionDenied,
        tokferry.NotImplementedByServer,
    )
    if run.error is not None:
        return UNUSABLE if isinstance(run.error, wrong) else NOT_ALL
    if not run.batches.all_usable:
        return UNUSABLE
    if run.end in {"interrupted", "waiting"}:
        return INTERRUPTED
    dead = run.waiting is not None and run.waiting.dead
    return NOT_ALL if run.tally.has_failures or dead or run.end != "complete" else 0


def _exit(message: str) -> NoReturn:
    complain(f"tokferry forward: {message}")
    raise typer.Exit(UNUSABLE)
