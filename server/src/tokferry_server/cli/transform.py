"""`tokferry transform`: shows what TikTok would get, and what not, and why."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Literal

import typer

from tokferry_server.cli.paper import complain, on_terminal
from tokferry_server.cli.settings import UNUSABLE, connection_or_exit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tokferry_server.cli.tally import Tally
    from tokferry_server.cli.writers import Writer
    from tokferry_server.mapping.transform import Transformer
    from tokferry_server.mparticle.model import Batch, Malformed

DEFECTS = 1
Layout = Literal["ndjson", "table", "request"]


def transform(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="mParticle JSON, packed with gzip or not; - is the standard input.",
        ),
    ],
    *,
    settings: Annotated[
        Path | None,
        typer.Option(help="The settings file. Without it: all defaults, web."),
    ] = None,
    connection: Annotated[
        str | None,
        typer.Option(help="The connection's name, if the file has several."),
    ] = None,
    layout: Annotated[
        Layout | None,
        typer.Option(
            "--format",
            help="Default: table on a terminal, else ndjson.",
        ),
    ] = None,
    wrap_events: Annotated[
        bool,
        typer.Option("--wrap-events", help="Take single events as batches of one."),
    ] = False,
) -> None:
    """Show what TikTok would get of mParticle events; nothing is sent.

    ndjson: one object for each event. request: the bodies as they would be posted, one
    a line. table: a summary.

    Exit code 0: nothing was dropped but what is meant to be. 1: some events were
    dropped for defects. 2: input or settings are unusable.
    """
    chosen = connection_or_exit(settings, connection)

    from tokferry_server.cli.tally import Tally
    from tokferry_server.cli.writers import writer_for
    from tokferry_server.mapping.transform import Transformer

    mapping = chosen.mapping
    layout = layout or ("table" if on_terminal() else "ndjson")
    writer = writer_for(layout, mapping.route)
    tally = Tally(mapping.event_source)
    transformer = Transformer(mapping)
    quiet = layout != "table" and on_terminal()
    usable = [
        _transform_file(
            name, transformer, writer, tally, wrap_events=wrap_events, quiet=quiet
        )
        for name in files
    ]
    writer.close(tally)
    if not all(usable):
        raise typer.Exit(UNUSABLE)
    raise typer.Exit(DEFECTS if tally.defects else 0)


def _transform_file(  # noqa: PLR0913  what one file needs
    name: str,
    transformer: "Transformer",
    writer: "Writer",
    tally: "Tally",
    *,
    wrap_events: bool,
    quiet: bool,
) -> bool:
    """Transform one file; say what is wrong if it is of no use."""
    from tokferry_server.cli.inputs import UnusableInputError, open_input, read_batches

    try:
        with open_input(name) as file, _progress(file, show=not quiet):
            seen = _Seen(read_batches(file, wrap_events=wrap_events))
            for outcome in transformer.transform(seen):
                tally.add(name, outcome)
                writer.add(name, outcome)
    except UnusableInputError as error:
        complain(f"{name}: {error}")
        return False
    problem = seen.problem
    if problem is not None:
        complain(f"{name}: {problem}")
    return problem is None


class _Seen:
    """Batches on their way, and whether any of them could be read."""

    def __init__(self, batches: "Iterable[Batch | Malformed]") -> None:
        self._batches = batches
        self._readable = 0
        self._first: Malformed | None = None

    def __iter__(self) -> "Iterator[Batch | Malformed]":
        from tokferry_server.mparticle.model import Malformed

        for batch in self._batches:
            if not isinstance(batch, Malformed):
                self._readable += 1
            elif self._first is None:
                self._first = batch
            yield batch

    @property
    def problem(self) -> str | None:
        """Why the whole input is of no use, if it is."""
        if self._readable:
            return None
        if self._first is None:
            return "is empty"
        return f"holds no mParticle batch: {self._first.problem}"


@contextmanager
def _progress(file: IO[bytes], *, show: bool) -> Iterator[None]:
    """Draw a bar on the error output while a long file is read by a person."""
    from tokferry_server.cli.inputs import WHOLE

    if not (show and sys.stderr.isatty() and file.seekable()):
        yield
        return
    size = os.fstat(file.fileno()).st_size
    if size <= WHOLE:
        yield
        return
    from tokferry_server.cli.progress import following

    with following(file.fileno(), size):
        yield
