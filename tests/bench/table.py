"""The table of a run: every figure beside its floor and the figure to reach."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

HEADINGS: Final = ("", "figure", "floor", "ratio", "to reach", "reached")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure. ``reached`` is None where none is to be reached."""

    what: str
    figure: str
    floor: str = ""
    ratio: float | None = None
    reach: str = ""
    reached: bool | None = None

    def cells(self) -> Sequence[str]:
        """Give the texts of its columns."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        reached = {None: "", True: "yes", False: "no"}[self.reached]
        return (self.what, self.figure, self.floor, ratio, self.reach, reached)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under a heading."""

    heading: str
    rows: Sequence[Row]


def at_most(
    what: str, figure: str, floor: str, ratio: float, limit: float | None = None
) -> Row:
    """Make a row that is to stay within so many times its floor."""
    return Row(
        what=what,
        figure=figure,
        floor=floor,
        ratio=ratio,
        reach="" if limit is None else f"≤ {round(limit, 2):g} times",
        reached=None if limit is None else ratio <= limit,
    )


def written(groups: Iterable[Group]) -> str:
    """Write one Markdown table, padded so that it reads well as plain text, too."""
    lines: list[Sequence[str]] = [HEADINGS]
    for group in groups:
        lines.append((f"**{group.heading}**", *[""] * (len(HEADINGS) - 1)))
        lines.extend(row.cells() for row in group.rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        f"| {' | '.join(c.ljust(w) for c, w in zip(line, widths, strict=True))} |"
        for line in lines
    )
