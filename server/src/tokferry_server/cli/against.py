"""`tokferry transform --against`: what a change of settings changes in events."""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from tokferry_server.cli.paper import complain, on_terminal
from tokferry_server.cli.settings import UNUSABLE, connection_or_exit

if TYPE_CHECKING:
    from tokferry_server.cli.change_writers import ChangeDiff, ChangeLines
    from tokferry_server.mapping.connection import Connection
    from tokferry_server.mparticle.model import Batch, Malformed

CHANGES = 1
LIMIT = 20
"""So many changes are printed for people, unless they ask for more."""


def compare_files(  # noqa: PLR0913  what the command takes
    files: Sequence[str],
    *,
    settings: Path | None,
    against: Path,
    connection: str | None,
    layout: str | None,
    limit: int,
    wrap_events: bool,
) -> NoReturn:
    """Print what differs between what two settings files make of the events.

    Ends the command: 0 if nothing changes, 1 if something does, 2 if settings or
    input are unusable.
    """
    if settings is None:
        complain(f"--against {against}: name the new settings with --settings")
        raise typer.Exit(UNUSABLE)
    if layout == "request":
        complain("--against: there is no --format request; take ndjson or table")
        raise typer.Exit(UNUSABLE)
    old = connection_or_exit(against, connection).mapping
    new = connection_or_exit(settings, connection).mapping

    from tokferry_server.cli.change_writers import ChangeDiff, ChangeLines
    from tokferry_server.cli.reading import read_files

    lines = layout == "ndjson" or (layout is None and not on_terminal())
    comparer = _Comparer(old, new, ChangeLines() if lines else ChangeDiff(limit))
    usable = read_files(
        files, comparer.compare, wrap_events=wrap_events, quiet=on_terminal()
    )
    changes = comparer.close()
    if not usable:
        raise typer.Exit(UNUSABLE)
    raise typer.Exit(CHANGES if changes else 0)


class _Comparer:
    """Maps each batch twice, and prints and counts what differs."""

    def __init__(
        self, old: "Connection", new: "Connection", writer: "ChangeLines | ChangeDiff"
    ) -> None:
        from tokferry_server.cli.change_writers import Counts
        from tokferry_server.cli.comparison import Comparison
        from tokferry_server.mapping.transform import Transformer

        self._comparison = Comparison(old, new)
        self._old = Transformer(old)
        self._new = Transformer(new)
        self._writer = writer
        self._counts = Counts()
        writer.begin(self._comparison.route)

    def compare(self, file: str, batches: "Iterable[Batch | Malformed]") -> None:
        # Both go through the batches in step: tee holds a few dozen, never a file.
        first, second = itertools.tee(batches)
        for old, new in zip(
            self._old.transform(first), self._new.transform(second), strict=True
        ):
            self._counts.events += 1
            change = self._comparison.change(file, old, new)
            if change is not None:
                self._counts.kinds[change.kind] += 1
                self._writer.add(change)

    def close(self) -> bool:
        """Print what is left; say whether anything changes."""
        self._writer.close(self._counts)
        return bool(self._counts.changed or self._comparison.route)
