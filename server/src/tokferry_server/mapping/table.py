"""Loads the mapping tables, checks them, and picks the rows of one connection."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.paths import Path, parse_path
from tokferry_server.mapping.scope import Scope
from tokferry_server.mapping.sources import COMPUTED
from tokferry_server.mapping.tables import read_table

BATCH_ROOTS = frozenset({"batch", "identities", "setting"})
"""Paths whose value is the same for every event of a batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row as it stands in the table."""

    mparticle: str
    tiktok: str
    legacy: str
    rule: str
    sources: tuple[str, ...]

    @property
    def alternatives(self) -> list[str]:
        """The mParticle paths, first to last."""
        return [path.strip() for path in self.mparticle.split(" | ")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The whole table: rows for every event, for persons, for commerce, a product."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    user_attributes: tuple[Row, ...]
    commerce: tuple[Row, ...]
    products: tuple[Row, ...]

    @property
    def all(self) -> tuple[Row, ...]:
        """Every row in the order of the file."""
        return self.rows + self.user_attributes + self.commerce + self.products


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One row for a connection: the first path present, by the row's rule, makes it.

    ``member`` of ``group`` is what the row sets.
    """

    paths: tuple[Path, ...]
    row: Row
    group: str
    member: str

    @property
    def per_batch(self) -> bool:
        """Whether the value is the same for every event of a batch."""
        return all(path.root in BATCH_ROOTS for path in self.paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The rows that one connection has, by what they are read from."""

    batch_steps: tuple[Step, ...]
    event_steps: tuple[Step, ...]
    commerce_steps: tuple[Step, ...]
    product_steps: tuple[Step, ...]


@cache
def load_fields() -> Fields:
    """Read ``fields.toml``."""
    table = read_table("fields.toml")
    return Fields(
        columns=tuple(table["columns"]),
        rows=_rows(table["rows"]),
        user_attributes=_rows(table["user_attributes"]),
        commerce=_rows(table["commerce"]),
        products=_rows(table["products"]),
    )


@cache
def load_events() -> dict[str, Any]:
    """Read ``events.toml``: columns, and rows by group."""
    return read_table("events.toml")


def plan(connection: Connection) -> Plan:
    """Give the rows that the connection's event source knows."""
    fields = load_fields()
    rows = fields.rows
    if connection.user_attributes:
        rows += fields.user_attributes
    steps = _steps(rows, connection)
    return Plan(
        batch_steps=tuple(step for step in steps if step.per_batch),
        event_steps=tuple(step for step in steps if not step.per_batch),
        commerce_steps=_steps(fields.commerce, connection),
        product_steps=tuple(
            step
            for step in _steps(fields.products, connection)
            if step.member != "content_ids"  # made of the ids, once they are final
        ),
    )


def _rows(cells: Sequence[Sequence[str]]) -> tuple[Row, ...]:
    return tuple(
        Row(
            mparticle=mparticle,
            tiktok=tiktok,
            legacy=legacy,
            rule=rule,
            sources=tuple(sources.split()),
        )
        for mparticle, tiktok, legacy, rule, sources in cells
    )


def _steps(rows: Sequence[Row], connection: Connection) -> tuple[Step, ...]:
    return tuple(
        _step(row, connection) for row in rows if connection.event_source in row.sources
    )


def _step(row: Row, connection: Connection) -> Step:
    group, _, member = row.tiktok.replace("[*]", "").rpartition(".")
    texts = row.alternatives
    if row.rule == "event_id":
        texts = event_id_paths(texts, connection)
    return Step(
        paths=tuple(_path(text) for text in texts),
        row=row,
        group=group,
        member=member,
    )


def event_id_paths(texts: Sequence[str], connection: Connection) -> list[str]:
    """Order the paths of the event id as the setting ``event_id_sources`` says."""
    names = ("flag", "source_message_id", "event_id", "message_id", "content_hash")
    by_name = dict(zip(names, texts, strict=True))
    return [by_name[name] for name in connection.event_id_sources]


def _path(text: str) -> Path:
    if " + " in text:
        return _joined(text, [_path(part) for part in text.split(" + ")])
    computed = COMPUTED.get(text)
    if computed is None:
        return parse_path(text)
    return Path(text, text.partition(".")[0], computed)


def _joined(text: str, parts: Sequence[Path]) -> Path:
    getters: list[Callable[[Scope], Any]] = [part.get for part in parts]

    def together(scope: Scope) -> Any:
        values = tuple(get(scope) for get in getters)
        return None if all(value is None for value in values) else values

    return Path(text, parts[0].root, together, parts=tuple(parts))
