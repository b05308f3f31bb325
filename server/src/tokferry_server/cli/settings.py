"""Loads settings for a command, or says what is wrong and ends with exit code 2."""

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from tokferry_server.cli.paper import complain

if TYPE_CHECKING:
    from tokferry_server.settings import ConnectionSettings, Settings

UNUSABLE = 2


def load_or_exit(path: Path) -> "Settings":
    """Give the settings of a file; problems are printed one a line."""
    from tokferry_server.settings import SettingsError, load_settings

    try:
        return load_settings(path)
    except SettingsError as error:
        for problem in error.problems:
            complain(str(problem))
        raise typer.Exit(UNUSABLE) from None


def connection_or_exit(path: Path | None, name: str | None) -> "ConnectionSettings":
    """Give the connection that a command is about.

    Without a file it is the default one; a file with a single connection needs no name.
    """
    from tokferry_server.settings import preview_connection

    if path is None:
        if name is not None:
            _exit(f'--connection "{name}": name the file with --settings')
        return preview_connection()
    connections = load_or_exit(path).connections
    if name is None:
        if len(connections) > 1:
            _exit(f"{path}: choose one with --connection: {', '.join(connections)}")
        return next(iter(connections.values()))
    if name not in connections:
        _exit(f'{path}: no connection "{name}" (there are: {", ".join(connections)})')
    return connections[name]


def _exit(message: str) -> NoReturn:
    complain(message)
    raise typer.Exit(UNUSABLE)
