"""`tokferry check`: says what is wrong with a settings file, and what it means."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokferry_server.cli.paper import complain, print_json, say
from tokferry_server.cli.settings import UNUSABLE, load_or_exit

if TYPE_CHECKING:
    from tokferry_server.settings import ConnectionSettings


def check(
    settings: Annotated[
        Path | None, typer.Argument(metavar="SETTINGS", help="The settings file.")
    ] = None,
    *,
    show: Annotated[
        bool,
        typer.Option("--print", help="Print the merged settings, without secrets."),
    ] = False,
    schema: Annotated[
        bool,
        typer.Option(
            "--schema", help="Print a JSON schema of settings files, for editors."
        ),
    ] = False,
) -> None:
    """Check a settings file.

    With --schema none is needed: editors that know TOML (by Taplo) take the schema from
    the file's first line, such as: #:schema ./settings.schema.json

    Exit code 0: it is right. 2: it is not; every problem is printed, one a line.
    """
    if schema:
        from tokferry_server.settings.schema import settings_schema

        print_json(settings_schema())
        return
    if settings is None:
        complain("name the settings file, or ask for its --schema")
        raise typer.Exit(UNUSABLE)

    from tokferry_server.settings.advice import advice
    from tokferry_server.settings.as_toml import as_toml

    loaded = load_or_exit(settings)
    for warning in advice(loaded, file=str(settings)):
        complain(f"warning: {warning}")
    if show:
        say(as_toml(loaded), end="")
        return
    for name, connection in loaded.connections.items():
        say(f"{name}: {'; '.join(_summary(connection))}")
    say(f"{settings}: right")


def _summary(connection: "ConnectionSettings") -> Iterator[str]:
    mapping = connection.mapping
    yield f"{mapping.event_source} {mapping.pixel_id}"
    yield f"{mapping.wire_format}, {mapping.native_events} events"
    yield f"environments {', '.join(mapping.environments)}"
    if mapping.gdpr_purposes:
        yield f"with consent to {', '.join(mapping.gdpr_purposes)}"
    yield f"{connection.rate:g} requests a second"
    token = connection.access_token
    yield f"access token from {token}" if token else "no access token"
