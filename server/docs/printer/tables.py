"""Writes tables in Markdown."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Give the lines of a table and an empty one; bars within cells are escaped."""
    lines = [_line(head), _line(["---"] * len(head))]
    lines += [_line([cell.replace("|", "\\|") for cell in row]) for row in rows]
    return [*lines, ""]


def code(text: str) -> str:
    """Give text in code face; nothing for none."""
    return f"`{text}`" if text else ""


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
