"""The summary that people get of a transformation."""

from collections.abc import Sequence

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from tokferry_server.cli.paper import WITHOUT_TERMINAL, shown
from tokferry_server.cli.tally import Tally
from tokferry_server.mapping.outcome import DropReason, WarningCode

_PERCENT = 100
_NONE = "–"  # noqa: RUF001  as people write it


def print_summary(tally: Tally) -> None:
    """Print what is sent, what is dropped and why, and who can be matched."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WITHOUT_TERMINAL)
    parts: list[Text | Table] = [
        _headline(tally),
        *_sent(tally),
        *_dropped(tally),
        *_warned(tally),
    ]
    console.print(Group(*parts, *_identifiers(tally), *_identifiers_by_file(tally)))


def _headline(tally: Tally) -> Text:
    intended = tally.dropped.total() - tally.defects
    text = Text(f"{tally.read:,} events read: ")
    text.append(f"{tally.sent.total():,} TikTok events", style="bold green")
    text.append(f", {intended:,} dropped as intended, ")
    style = "bold red" if tally.defects else ""
    return text.append(f"{tally.defects:,} dropped for defects", style=style)


def _sent(tally: Tally) -> list[Table]:
    rows = [(name, number) for name, number in tally.sent.most_common()]
    return counted_table("Sent", ("TikTok event", "events"), rows)


def _dropped(tally: Tally) -> list[Table]:
    tables = []
    for title, intended in (("for defects", False), ("as intended", True)):
        rows = [
            (reason.name, number, _first(tally, reason, reason.remedy))
            for reason, number in tally.dropped.most_common()
            if reason.intended is intended
        ]
        columns = ("reason", "events", "first one, and what to do")
        tables += counted_table(f"Dropped {title}", columns, rows)
    return tables


def _warned(tally: Tally) -> list[Table]:
    rows = [
        (code.name, number, _first(tally, code, code.value))
        for code, number in tally.warned.most_common()
    ]
    columns = ("warning", "events", "first one, and what it means")
    return counted_table("Sent with a warning", columns, rows)


def _first(tally: Tally, key: DropReason | WarningCode, text: str) -> str:
    """Where it happened first (with the file if there are several), and a line."""
    place = tally.first[key]
    several = len({place.file for place in tally.first.values()}) > 1
    file = f"{shown(place.file)}, " if several else ""
    return f"{file}{place}: {place.field}\n{text}"


def _identifiers(tally: Tally) -> list[Table]:
    total = tally.sent.total()
    rows = [
        (name, tally.identifiers[name], per_cent(tally.identifiers[name], total))
        for name in tally.names
        if total
    ]
    title = "Identifiers in the events sent"
    return counted_table(title, ("identifier", "events", "share"), rows)


def _identifiers_by_file(tally: Tally) -> list[Table]:
    """Shares for each file, if there are several."""
    rows = [
        (
            shown(name),
            one.events,
            *(per_cent(one.identifiers[key], one.events) for key in tally.names),
        )
        for name, one in tally.files.items()
    ]
    if len(rows) == 1 or not tally.sent:
        return []
    title = "Identifiers in the events sent, by file"
    return counted_table(title, ("file", "events", *tally.names), rows)


def per_cent(part: int, whole: int) -> str:
    """Whole per cent, rounded down: 100 means all of them."""
    return f"{part * _PERCENT // whole} %" if whole else _NONE


def counted_table(
    title: str | None, columns: Sequence[str], rows: Sequence[Sequence[object]]
) -> list[Table]:
    """A table if there is anything to show; numbers to the right."""
    if not rows:
        return []
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for index, column in enumerate(columns):
        cell = rows[0][index]
        number = isinstance(cell, int) or str(cell).endswith((" %", _NONE))
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    for row in rows:
        cells = (f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row)
        table.add_row(*(Text(cell) for cell in cells))
    return [table]
