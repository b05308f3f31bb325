"""How rows are written into the tables and read back."""

import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import blake2b, sha256
from itertools import chain
from types import NoneType
from typing import Any, Final, NamedTuple, TypeVar

from tokferry_server.delivery.outbox.interface import DeadRow, NewRow, Position, Row
from tokferry_server.delivery.outbox.sqlite.names import Names
from tokferry_server.tiktok.wire import Route

KEY_BYTES: Final = 12
_DIGEST_BYTES: Final = 8

COLUMNS: Final = (
    "id, connection, route, event, event_id, time_ms, label, sequence, batch, item, "
    "created, next_at, attempts, first_ambiguous_at, waited, last_code, replays, "
    "trace, size, mark, body"
)
READ_PENDING: Final = (
    "id, connection, route, event, event_id, time_ms, label, sequence, batch, item, "
    "created, next_at, attempts, first_ambiguous_at, waited, last_code, trace, "
    "body"
)
_TYPES: Final[tuple[type | tuple[type, ...], ...]] = (
    *(int, int, int, str, str, int, str, int, int, int, float, float, int),
    *((float, NoneType), float, (int, NoneType), (bytes, NoneType), bytes),
)
READ_DEAD: Final = (
    f"{READ_PENDING}, died, reason, code, message, field, request_id, replays, "
    "http_status"
)
_CHUNKS: Final = (100, 10, 1)
_INT64: Final = 1 << 63

Values = Sequence[Any]
T = TypeVar("T")


def mark_of(row: NewRow) -> bytes:
    """Give the key (source id, event, event id) and behind it the body's digest.

    Of a thousand bytes processors make SHA-256 in a quarter of the time of BLAKE2.
    """
    name = f"{row.route.event_source_id}\0{row.event}\0{row.event_id}"
    key = blake2b(name.encode(), digest_size=KEY_BYTES).digest()
    return key + sha256(row.body).digest()[:_DIGEST_BYTES]


class Common(NamedTuple):
    """What rows that are stored together share; see ``common``."""

    connection: str
    route: Route
    label: str
    sequence: int
    trace: bytes | None


class Fresh(NamedTuple):
    """A row with the id and the mark under which it is stored."""

    id: int
    row: NewRow
    mark: bytes


def common(fresh: Fresh) -> Common:
    """Give what a row shares with those of the same call."""
    row = fresh.row
    position = row.position
    return Common(
        row.connection, row.route, position.label, position.sequence, row.trace
    )


def insert_fresh(
    connection: sqlite3.Connection,
    names: Names,
    shared: Common,
    created: float,
    rows: Sequence[Fresh],
) -> None:
    """Insert rows that were never tried. To bind a value costs as much as to store it:
    what they share is bound once.
    """  # noqa: D205  one thought
    values = (
        names.connection(shared.connection),
        names.route(shared.route),
        shared.label,
        _signed(shared.sequence),
        created,
        shared.trace,
    )
    for size, chunk in _chunks(rows):
        own = chain.from_iterable(
            (
                number,
                row.event,
                row.event_id,
                row.time_ms,
                row.position.batch,
                row.position.event,
                mark,
                row.body,
            )
            for number, row, mark in chunk
        )
        connection.execute(_insert_fresh(size), (*values, *own))


@cache
def _insert_fresh(number: int) -> str:
    rows = ",".join(_fresh_values(7 + 8 * place) for place in range(number))
    return f"INSERT INTO pending ({COLUMNS}) VALUES {rows}"  # noqa: S608


def _fresh_values(first: int) -> str:
    """Write the values of ``COLUMNS`` for a row whose own ones are bound from here."""
    own = [f"?{first + place}" for place in range(8)]
    number, event, event_id, time_ms, batch, item, mark, body = own
    return (
        f"({number},?1,?2,{event},{event_id},{time_ms},?3,?4,{batch},{item},"
        f"?5,?5,0,NULL,0.0,NULL,0,?6,length({body}),{mark},{body})"
    )


def insert(
    connection: sqlite3.Connection, table: str, width: int, rows: Sequence[Values]
) -> None:
    """Insert rows, a hundred a statement: each gives up the interpreter lock once."""
    for size, chunk in _chunks(rows):
        one = f"({','.join('?' * width)})"
        connection.execute(
            f"INSERT OR REPLACE INTO {table} VALUES {','.join([one] * size)}",  # noqa: S608
            [value for row in chunk for value in row],
        )


def _chunks(rows: Sequence[T]) -> Iterator[tuple[int, Sequence[T]]]:
    start = 0
    for size in _CHUNKS:
        while len(rows) - start >= size:
            yield size, rows[start : start + size]
            start += size


def has_types(values: Values) -> bool:
    """Whether values of ``READ_PENDING`` have the types that the disk may change."""
    return all(map(isinstance, values, _TYPES))


def read_row(values: Values, names: Names) -> Row:
    """Make a row of the values of ``READ_PENDING``."""
    return Row(**_fields(values, names))


def read_dead(values: Values, names: Names) -> DeadRow:
    """Make a dead letter of the values of ``READ_DEAD``."""
    died, reason, code, message, field, request_id, replays, status = values[18:]
    return DeadRow(
        **_fields(values, names),
        died=died,
        reason=reason,
        ambiguous=values[13] is not None,
        code=code,
        message=message,
        field=field,
        request_id=request_id,
        replays=replays,
        http_status=status,
    )


def _fields(values: Values, names: Names) -> dict[str, Any]:
    return {
        "id": values[0],
        "connection": names.connection_name(values[1]),
        "route": names.route_of(values[2]),
        "event": values[3],
        "event_id": values[4],
        "time_ms": values[5],
        "position": Position(
            label=values[6],
            sequence=values[7] % (2 * _INT64),
            batch=values[8],
            event=values[9],
        ),
        "created": values[10],
        "next_at": values[11],
        "attempts": values[12],
        "first_ambiguous_at": values[13],
        "waited": values[14],
        "last_code": values[15],
        "trace": values[16],
        "body": values[17],
    }


def _signed(number: int) -> int:
    """A client's sequence may fill 64 bits; SQLite's integers have a sign."""
    return number - 2 * _INT64 if _INT64 <= number < 2 * _INT64 else number
