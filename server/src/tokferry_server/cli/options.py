"""The arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="mParticle JSON, packed with gzip or not; - is the standard input.",
    ),
]
SettingsFile = Annotated[
    Path | None,
    typer.Option(help="The settings file. Without it: all defaults, web."),
]
ConnectionName = Annotated[
    str | None,
    typer.Option(help="The connection's name, if the file has several."),
]
WrapEvents = Annotated[
    bool,
    typer.Option("--wrap-events", help="Take single events as batches of one."),
]
