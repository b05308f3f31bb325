"""How rows are written into the tables and read back."""

import sqlite3
from collections.abc import Iterator, Sequence
from hashlib import blake2b, sha256
from typing import Any, Final

from tokferry_server.delivery.outbox.interface import DeadRow, NewRow, Position, Row
from tokferry_server.delivery.outbox.sqlite.names import Names

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
READ_DEAD: Final = (
    f"{READ_PENDING}, died, reason, code, message, field, request_id, replays, "
    "http_status"
)
_WIDTH: Final = COLUMNS.count(",") + 1
_CHUNKS: Final = (100, 10, 1)
_INT64: Final = 1 << 63

Values = Sequence[Any]


def mark_of(row: NewRow) -> bytes:
    """Give the key (source id, event, event id) and behind it the body's digest.

    Of a thousand bytes processors make SHA-256 in a quarter of the time of BLAKE2.
    """
    name = f"{row.route.event_source_id}\0{row.event}\0{row.event_id}"
    key = blake2b(name.encode(), digest_size=KEY_BYTES).digest()
    return key + sha256(row.body).digest()[:_DIGEST_BYTES]


def new_values(
    row: NewRow, number: int, names: Names, created: float, mark: bytes
) -> tuple[Any, ...]:
    """Give the values of ``COLUMNS`` for a row that was never tried."""
    position = row.position
    return (
        number,
        names.connection(row.connection),
        names.route(row.route),
        row.event,
        row.event_id,
        row.time_ms,
        position.label,
        _signed(position.sequence),
        position.batch,
        position.event,
        created,
        created,
        0,
        None,
        0.0,
        None,
        0,
        row.trace,
        len(row.body),
        mark,
        row.body,
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


def insert_pending(connection: sqlite3.Connection, rows: Sequence[Values]) -> None:
    """Insert values of ``COLUMNS``."""
    insert(connection, f"pending ({COLUMNS})", _WIDTH, rows)


def _chunks(rows: Sequence[Values]) -> Iterator[tuple[int, Sequence[Values]]]:
    start = 0
    for size in _CHUNKS:
        while len(rows) - start >= size:
            yield size, rows[start : start + size]
            start += size


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
