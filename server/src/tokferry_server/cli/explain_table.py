"""The fields of one TikTok event in two halves: as sent, and where they came from."""

import re
from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from tokferry_server.cli.explanation import Explained
from tokferry_server.cli.leaves import as_json
from tokferry_server.cli.paper import shown

_WIDE = 110
"""From so many columns on, a rule has a column of its own, and digests are whole."""
_NAME = 19
_PATH = 41
_RULE = 14
_GAPS = 8
_FEW = 3
_BEHIND_DOT = re.compile(r"(?<=\.)")
_DIGEST = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{50}([0-9a-f]{6})\b")


def field_rows(fields: Sequence[Explained], width: int) -> Iterator[RenderableType]:
    """Yield headings and grids, for so many columns of paper in all."""
    heads = ["TikTok field", "value", "mParticle path", "rule"]
    columns = _columns(fields, width)
    head = _grid(columns)
    head.add_row(*(Text(one, "dim") for one in heads[: len(columns)]))
    yield head
    for group, members in _groups(fields).items():
        if group:
            yield Text(group, "bold")
        grid = _grid(columns)
        for one in members:
            name = f"  {one.field[len(group) + 1 :]}" if group else one.field
            value = as_json(one.value)
            if width < _WIDE:
                value = _DIGEST.sub(r"\1…\2", value)
            cells = [Text(shown(name)), Text(value)]
            grid.add_row(*cells, *_origin(one, columns))
        yield grid


def _columns(fields: Sequence[Explained], width: int) -> list[int]:
    """Give the widths: a path gets what it needs, but leaves a third to the value."""
    rule = [_RULE] if width >= _WIDE else []
    free = width - _NAME - _GAPS - sum(rule)
    parts = (part for one in fields for path in one.paths for part in path.split(" + "))
    needed = max(map(len, parts), default=0)
    path = min(needed, _PATH, free - free // 3)
    return [_NAME, free - path, path, *rule]


def _grid(columns: Sequence[int]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for width in columns:
        grid.add_column(width=width, overflow="fold")
    return grid


def _groups(fields: Sequence[Explained]) -> dict[str, list[Explained]]:
    """The fields by the object they are in, an object before what it holds."""
    groups: dict[str, list[Explained]] = {}
    for one in fields:
        group = one.field.rpartition(".")[0]
        groups.setdefault(group, []).append(one)
    roots = [group.partition(".")[0] for group in groups]

    def order(group: str) -> tuple[int, int]:
        return roots.index(group.partition(".")[0]), group.count(".")

    return {group: groups[group] for group in sorted(groups, key=order)}


def _origin(one: Explained, columns: Sequence[int]) -> list[Text]:
    path = Text()
    few = one.paths[:_FEW]
    more = len(one.paths) - len(few)
    path.append("\n".join(_folded(each, columns[2]) for each in few), "cyan")
    if more:
        path.append(f"\nand {more} more", "dim")
    if not one.paths:
        path.append("of the wire format", "dim")
    if one.mapping is not None:
        path.append(f'\ncustom mapping "{shown(one.mapping)}"', "magenta")
    rule = Text(one.rule or "", "dim")
    if len(columns) > len(("name", "value", "path")):
        return [path, rule]
    return [path.append("\n" if rule else "").append_text(rule)]


def _folded(path: str, width: int) -> str:
    """Break a path behind its dots and signs of addition, not within names."""
    lines = [""]
    for part in path.split(" + "):
        if lines != [""]:
            lines.append("+ ")
        for piece in _BEHIND_DOT.split(part):
            if lines[-1] not in ("", "+ ") and len(lines[-1] + piece) > width:
                lines.append("  ")
            lines[-1] += piece
    return "\n".join(shown(line) for line in lines)
