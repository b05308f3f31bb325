"""The page of the mapping: which events are sent as what, and every field."""

from collections.abc import Iterator

from tables import code, table

from tokferry_server.mapping.custom.properties import allowed_properties
from tokferry_server.mapping.rules import RULES
from tokferry_server.mapping.table import Row, load_events, load_fields
from tokferry_server.mapping.tables import read_table

INTRODUCTION = """\
What mParticle's events become at TikTok. The tables are those that the service itself
works with: `tokferry fields` prints them, and `DescribeConnection` gives them for one
connection.
"""
EVENTS = """\
Rows marked `extended` hold only with `native_events = "extended"`. An empty cell means
that the event is dropped `UNSUPPORTED_EVENT` or `UNSUPPORTED_FOR_SOURCE`. With
`extended`, a custom event that has the name of a standard event of TikTok, as it is or
in snake case, is sent as that event, if the event source knows it.
"""
FIELDS = """\
`a | b` is the first one present, `a + b` both together. A field is left out for event
sources that are not named.
"""
PROPERTIES = """\
What a custom mapping may set in a TikTok event, and by which rule if it names none.
"""
GROUPS = {
    "rows": "Of every event",
    "user_attributes": "With `user_attributes = true`",
    "commerce": "Of commerce events",
    "products": "Of each product",
}
ROOTS = {
    "batch": "of the batch around the event",
    "event": "of the event's own `data`",
    "identities": "the user's identities of the types that the connection names",
    "page_query": "of the query of the page's address",
    "setting": "of the connection's settings",
    "computed": "made of several values; the row of the field says by which rule",
}


def mapping_page() -> str:
    """Give the page."""
    fields = load_fields()
    if len(fields.all) != sum(len(getattr(fields, name)) for name in GROUPS):
        raise SystemExit("mapping_page.py: give the new rows a title in GROUPS")
    lines = ["# The mapping", "", INTRODUCTION]
    lines += ["## Events", "", EVENTS, *_events()]
    lines += ["## Fields", "", FIELDS]
    for name, title in GROUPS.items():
        rows = map(_cells, getattr(fields, name))
        lines += [f"### {title}", "", *table(fields.columns, rows)]
    lines += ["### Where a path begins", ""]
    lines += table(("path", "value"), _roots(fields.all))
    lines += ["## Properties of custom mappings", "", PROPERTIES, *_properties()]
    lines += ["## Rules", "", *table(("rule", "what it makes"), _rules())]
    return "\n".join(lines)


def _events() -> list[str]:
    events = load_events()
    rows = [
        [code(row[0]), *map(code, row[1:]), group]
        for name, rows in events.items()
        if name != "columns"
        for group in [code("extended" if name.startswith("extended") else "commerce")]
        for row in rows
    ]
    return table([*events["columns"], "`native_events`"], rows)


def _properties() -> list[str]:
    """Give the properties, then which of them each event takes."""
    data = read_table("properties.toml")
    lines = table(data["columns"], (map(code, row) for row in data["rows"]))
    takes = [
        (code(event), " ".join(map(code, allowed_properties(event))))
        for event in data["events"]
    ]
    lines += table(("TikTok event", "takes"), [*takes, ("any other", "all")])
    return lines


def _cells(row: Row) -> list[str]:
    cells = [code(row.mparticle), code(row.tiktok), code(row.legacy), code(row.rule)]
    return [*cells, " ".join(row.sources)]


def _roots(rows: tuple[Row, ...]) -> Iterator[tuple[str, str]]:
    """Only the beginnings that occur, and every one of them."""
    paths = (
        path for row in rows for path in row.mparticle.replace("+", "|").split("|")
    )
    for root in dict.fromkeys(path.strip().partition(".")[0] for path in paths):
        if root not in ROOTS:
            raise SystemExit(f"mapping_page.py: say in ROOTS what {root!r} begins")
        yield code(f"{root}."), ROOTS[root]


def _rules() -> Iterator[tuple[str, str]]:
    used = {row.rule for row in load_fields().all}
    for name, rule in RULES.items():
        if name in used:
            yield code(name), (rule.__doc__ or "").partition("\n")[0].replace("``", "`")
