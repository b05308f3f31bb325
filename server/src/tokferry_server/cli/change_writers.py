"""Prints what would change: objects for programs, a coloured diff for people."""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tokferry_server.cli.comparison import Change, Difference
from tokferry_server.cli.leaves import as_json
from tokferry_server.cli.paper import complain, shown
from tokferry_server.cli.people import People

_encoder = msgspec.json.Encoder()
_SIGNS = {"+": "green", "-": "red", "~": "yellow"}
_KINDS = {"CHANGED": "~", "SENT": "+", "DROPPED": "-", "REASON": "~"}
_PATH = 40
_ONLY_EVENT = "events[0]."


@dataclass(slots=True)
class Counts:
    """How many events there are, and how many change in which way."""

    events: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def changed(self) -> int:
        """How many change in any way."""
        return self.kinds.total()


class ChangeLines:
    """One JSON object for each event that changes."""

    def begin(self, route: Sequence[Difference]) -> None:
        """Say on the error output what changes for every event."""
        for one in route:
            complain(f"every event: {one.path} {_old_and_new(one)}")

    def add(self, change: Change) -> None:
        """Print one change; a member that is not there is null."""
        line = {
            "file": change.file,
            "batch": change.batch,
            "event": change.event,
            "change": change.kind,
            "before": change.before,
            "after": change.after,
            "diff": [
                {"path": one.path, "before": one.before, "after": one.after}
                for one in change.differences
            ],
        }
        sys.stdout.buffer.write(_encoder.encode(line) + b"\n")

    def close(self, counts: Counts) -> None:
        """Nothing is left."""


class ChangeDiff:
    """The first changes as a diff, and at the end how many there are."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._printed = 0
        self._people = People()

    def begin(self, route: Sequence[Difference]) -> None:
        """Print what changes for every event."""
        if route:
            title = Text("~ every event goes elsewhere", style="bold yellow")
            self._people.print(title, _rows(route), "")

    def add(self, change: Change) -> None:
        """Print one change, while there is room."""
        self._printed += 1
        if self._limit and self._printed > self._limit:
            return
        self._people.print(_heading(change), _rows(_members(change)), "")

    def close(self, counts: Counts) -> None:
        """Print the counts."""
        left = self._printed - self._limit
        if self._limit and left > 0:
            more = f"and {left:,} more: --limit 0 shows all"
            self._people.print(Text(more, style="dim"), "")
        self._people.print(_summary(counts))


def _heading(change: Change) -> Text:
    sign = _KINDS[change.kind]
    style = _SIGNS[sign]
    place = f"{shown(change.file)} batch {change.batch}"
    if change.event is not None:
        place += f", event {change.event}"
    text = Text(f"{sign} {place}: ", style=f"bold {style}")
    return text.append(_what(change), style="not bold")


def _what(change: Change) -> str:
    before, after = change.before, change.after
    if change.kind == "CHANGED":
        return f"{_names(before)} changes"
    if change.kind == "SENT":
        return f"{_names(after)} is newly sent, it was dropped {_why(before)}"
    if change.kind == "DROPPED":
        return f"{_names(before)} is no longer sent, but dropped {_why(after)}"
    return f"dropped {_why(after)}, it was {_why(before)}"


def _why(told: dict[str, Any]) -> str:
    return f"{told['reason']} at {shown(told['field'])}"


def _names(told: dict[str, Any]) -> str:
    return " and ".join(shown(event["event"]) for event in told["events"])


def _members(change: Change) -> Iterable[Difference]:
    """What differs in the TikTok events, with paths as short as may be."""
    single = all(
        len(told.get("events", ())) <= 1 for told in (change.before, change.after)
    )
    for one in change.differences:
        if one.path.startswith("events["):
            path = one.path.removeprefix(_ONLY_EVENT) if single else one.path
            yield Difference(path, one.before, one.after)


def _rows(differences: Iterable[Difference]) -> Padding:
    differences = list(differences)
    longest = max((len(one.path) for one in differences), default=0)
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=1)
    grid.add_column(overflow="fold", width=min(longest, _PATH))
    grid.add_column(overflow="fold")
    for one in differences:
        sign = "+" if one.before is None else "-" if one.after is None else "~"
        style = _SIGNS[sign]
        grid.add_row(Text(sign, style), Text(shown(one.path), style), _values(one))
    return Padding(grid, (0, 0, 0, 2))


def _values(one: Difference) -> Text:
    if one.before is None or one.after is None:
        sign, value = ("+", one.after) if one.before is None else ("-", one.before)
        return Text(as_json(value), _SIGNS[sign])
    return Text.assemble(
        (as_json(one.before), "red"), " → ", (as_json(one.after), "green")
    )


def _old_and_new(one: Difference) -> str:
    return f"{as_json(one.before)} → {as_json(one.after)}"


def _summary(counts: Counts) -> Text:
    text = Text(f"{counts.events:,} events: {counts.events - counts.changed:,} ")
    text.append("unchanged")
    for kind, words, style in (
        ("CHANGED", "changed", "yellow"),
        ("SENT", "newly sent", "green"),
        ("DROPPED", "no longer sent", "red"),
        ("REASON", "dropped for another reason", "yellow"),
    ):
        number = counts.kinds[kind]
        text.append(f", {number:,} {words}", style=f"bold {style}" if number else "")
    return text
