"""Explanations for people: left what TikTok gets, right where it came from."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tokferry_server.cli.explain_table import field_rows
from tokferry_server.cli.explanation import explained
from tokferry_server.cli.paper import shown
from tokferry_server.cli.people import People
from tokferry_server.cli.summary import counted_table, per_cent
from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.coverage import Coverage, match_keys, possible_keys
from tokferry_server.mapping.outcome import Drop, MappedEvent, MappingWarning, Outcome
from tokferry_server.tiktok.formats import wire_format


class ExplainText:
    """Prints each explanation as it comes, and a file's coverage at its end."""

    def __init__(self, connection: Connection) -> None:
        self._wire = wire_format(connection.wire_format)
        self._keys = possible_keys(connection)
        self._coverage = Coverage()
        self._people = People()

    def add(self, file: str, outcome: Outcome) -> None:
        """Print what became of one event, and why."""
        place = f"{shown(file)} batch {outcome.batch}"
        if outcome.event is not None:
            place += f", event {outcome.event}"
        parts: list[RenderableType] = []
        if outcome.drop is not None:
            parts += _dropped(place, outcome.drop)
        for number, mapped in enumerate(outcome.events, 1):
            several = len(outcome.events) > 1
            count = f" ({number} of {len(outcome.events)})" if several else ""
            parts += [""] if number > 1 else []
            parts += self._event(f"{place}{count}", mapped)
        parts += _warnings(outcome.warnings)
        self._people.print(*parts, "")

    def end_file(self, file: str) -> None:
        """Print how many of the file's TikTok events carry each match key."""
        coverage, self._coverage = self._coverage, Coverage()
        rows = [
            (
                key,
                coverage.keys[key],
                per_cent(coverage.keys[key], coverage.events),
            )
            for key in self._keys
            if coverage.events
        ]
        title = f"Match keys in the TikTok events of {shown(file)}: {coverage.events:,}"
        columns = ("match key", "events", "share")
        self._people.print(Text(title, "bold"), *counted_table(None, columns, rows))

    def _event(self, place: str, mapped: MappedEvent) -> list[RenderableType]:
        self._coverage.add(mapped.event)
        fields = explained(mapped, self._wire)
        heading = Text(f"✓ {place}: ", style="bold green")
        heading.append(shown(mapped.event.event))
        mapping = next((one.mapping for one in fields if one.field == "event"), None)
        if mapping is not None:
            heading.append(f', by the custom mapping "{shown(mapping)}"', "not bold")
        rows = field_rows(fields, self._people.width)
        keys = self._match_keys(match_keys(mapped.event))
        return [heading, *(_indented(one) for one in (*rows, keys))]

    def _match_keys(self, carried: Sequence[str]) -> Table:
        grid = Table.grid(padding=(0, 2, 0, 0))
        missing = [key for key in self._keys if key not in carried]
        kept = [key for key in self._keys if key in carried]
        grid.add_row(Text("match keys", "bold"), Text(" ".join(kept) or "-", "green"))
        grid.add_row(Text("missing", "bold"), Text(" ".join(missing) or "-", "red"))
        return grid


def _dropped(place: str, drop: Drop) -> list[RenderableType]:
    intended = drop.reason.intended
    style = "yellow" if intended else "red"
    heading = Text(f"✗ {place}: ", style=f"bold {style}")
    heading.append(f"dropped {drop.reason.name}")
    heading.append(
        ", as intended" if intended else ", a defect of the data", style="not bold"
    )
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_row(Text("field", "bold"), Text(shown(drop.field), "cyan"))
    if drop.problem is not None:
        grid.add_row(Text("problem", "bold"), Text(shown(drop.problem)))
    grid.add_row(Text("remedy", "bold"), Text(drop.reason.remedy))
    return [heading, _indented(grid)]


def _warnings(warnings: Sequence[MappingWarning]) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for warning in warnings:
        text = Text(f"! {warning.code.name}  ", style="bold yellow")
        text.append(shown(warning.field), style="not bold cyan")
        text.append(f"\n  {warning.code.value}", style="not bold default")
        parts.append(_indented(text))
    return parts


def _indented(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 2))
