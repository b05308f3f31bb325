"""Prints a table: for people on a terminal, tab-separated or JSON for programs."""

import sys
from collections.abc import Sequence

import typer

WITHOUT_TERMINAL = 120
"""Columns that are printed to where no terminal says how many it has."""


def on_terminal() -> bool:
    """Whether the output goes to a person."""
    return sys.stdout.isatty()


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]
) -> None:
    """Print with lines around on a terminal, else tab-separated under a heading."""
    if on_terminal():
        _print_for_people(title, columns, rows)
        return
    for row in (columns, *rows):
        say("\t".join(str(cell) for cell in row))


def print_json(value: object) -> None:
    """Print as JSON on several lines."""
    import msgspec

    say(msgspec.json.format(msgspec.json.encode(value)).decode())


def say(text: str = "", *, end: str = "\n") -> None:
    """Print text."""
    typer.echo(text + end, nl=False)


def complain(message: str) -> None:
    """Say on the error output what is wrong."""
    typer.echo(message, err=True)


def shown(text: str) -> str:
    """Text that cannot steer the terminal: what is not printable is written out."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def _print_for_people(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    Console().print(table)
