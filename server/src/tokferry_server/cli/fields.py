"""`tokferry fields`: prints the mapping, as it is in force."""

from typing import Annotated, Any

import typer

from tokferry_server.cli.paper import print_json, print_table, say


def fields(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print which field and which event becomes which.

    Tables on a terminal; tab-separated otherwise, fields before events.
    """
    from tokferry_server.mapping.table import load_fields

    table = load_fields()
    rows = [
        (row.mparticle, row.tiktok, row.legacy, row.rule, ", ".join(row.sources))
        for row in table.all
    ]
    event_columns, event_rows = _events()
    if as_json:
        print_json(
            {
                "fields": _records(table.columns, rows),
                "events": _records(event_columns, event_rows),
            }
        )
        return
    print_table("Fields", table.columns, rows)
    say()
    print_table("Events", event_columns, event_rows)


def _events() -> tuple[list[str], list[list[str]]]:
    """The event table's columns and rows; a group's rows say when they hold."""
    from tokferry_server.mapping.table import load_events

    table = load_events()
    groups = {name: rows for name, rows in table.items() if name != "columns"}
    rows = [
        [*row, "extended" if group.startswith("extended") else "always"]
        for group, members in groups.items()
        for row in members
    ]
    return [*table["columns"], "native_events"], rows


def _records(columns: Any, rows: Any) -> list[dict[str, str]]:
    return [dict(zip(columns, row, strict=True)) for row in rows]
