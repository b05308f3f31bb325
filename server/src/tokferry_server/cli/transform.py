"""`tokferry transform`: shows what TikTok would get, and what not, and why."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tokferry_server.cli.against import LIMIT, compare_files
from tokferry_server.cli.options import (
    ConnectionName,
    Files,
    SettingsFile,
    WrapEvents,
)
from tokferry_server.cli.paper import on_terminal
from tokferry_server.cli.settings import UNUSABLE, connection_or_exit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tokferry_server.mparticle.model import Batch, Malformed

DEFECTS = 1
Layout = Literal["ndjson", "table", "request"]


def transform(  # noqa: PLR0913  what the command takes
    files: Files,
    *,
    settings: SettingsFile = None,
    connection: ConnectionName = None,
    layout: Annotated[
        Layout | None,
        typer.Option(
            "--format",
            help="Default: table on a terminal, else ndjson.",
        ),
    ] = None,
    wrap_events: WrapEvents = False,
    against: Annotated[
        Path | None,
        typer.Option(help="Older settings: show what the new ones change."),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(min=0, help="With --against: so many changes in a table; 0: all."),
    ] = LIMIT,
) -> None:
    """Show what TikTok would get of mParticle events; nothing is sent.

    ndjson: one object for each event. request: the bodies as they would be posted, one
    a line. table: a summary.

    Exit code 0: nothing was dropped but what is meant to be. 1: some events were
    dropped for defects. 2: input or settings are unusable.

    With --against: what the settings change in comparison with older ones. ndjson: one
    object for each event that changes. table: a diff, and counts. Exit code 0: nothing
    changes. 1: something does. 2: input or settings are unusable.
    """
    if against is not None:
        compare_files(
            files,
            settings=settings,
            against=against,
            connection=connection,
            layout=layout,
            limit=limit,
            wrap_events=wrap_events,
        )
    chosen = connection_or_exit(settings, connection)

    from tokferry_server.cli.reading import read_files
    from tokferry_server.cli.tally import Tally
    from tokferry_server.cli.writers import writer_for
    from tokferry_server.mapping.transform import Transformer

    mapping = chosen.mapping
    layout = layout or ("table" if on_terminal() else "ndjson")
    writer = writer_for(layout, mapping.route)
    tally = Tally(mapping.event_source)
    transformer = Transformer(mapping)

    def use(name: str, batches: "Iterable[Batch | Malformed]") -> None:
        for outcome in transformer.transform(batches):
            tally.add(name, outcome)
            writer.add(name, outcome)

    quiet = layout != "table" and on_terminal()
    usable = read_files(files, use, wrap_events=wrap_events, quiet=quiet)
    writer.close(tally)
    if not usable:
        raise typer.Exit(UNUSABLE)
    raise typer.Exit(DEFECTS if tally.defects else 0)
