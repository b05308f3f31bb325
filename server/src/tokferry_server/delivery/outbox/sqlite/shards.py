"""Takes over the files that vanished workers left behind.

Their rows move into this worker's file a thousand at a time: stored here first, then
removed there. A crash between leaves both, and the next take-over finds them known by
their keys. What does not fit under the caps stays for the next start.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from tokferry_server.delivery.outbox.interface import OutboxError, OutboxFullError
from tokferry_server.delivery.outbox.sqlite import place, space
from tokferry_server.delivery.outbox.sqlite.counts import Count
from tokferry_server.delivery.outbox.sqlite.engine import SqliteOutbox
from tokferry_server.delivery.outbox.sqlite.puts import first_copies
from tokferry_server.delivery.outbox.sqlite.rows import COLUMNS, KEY_BYTES, insert
from tokferry_server.delivery.outbox.sqlite.schema import SOUND
from tokferry_server.delivery.outbox.sqlite.settling import add_forgotten
from tokferry_server.delivery.outbox.sqlite.store import Store
from tokferry_server.delivery.outbox.sqlite.task import Kind
from tokferry_server.tiktok.wire import Route

_SLICE: Final = 1_000
_DEAD: Final = f"{COLUMNS}, died, reason, code, message, field, request_id, http_status"
_TABLES: Final = {
    "pending": COLUMNS,
    "dead": _DEAD,
    "delivered": "id, connection, at, mark, label",
}
_ROUTED: Final = ("pending", "dead")


@dataclass(frozen=True, slots=True)
class Foreign:
    """A row of another file: its values, and what its numbers stand for there."""

    values: tuple[Any, ...]
    connection: str
    route: Route | None
    mark: bytes


@dataclass(slots=True)
class Adopted:
    """What was taken over.

    ``busy`` files have an owner, ``left`` ones did not fit, and of those that could not
    be read there are the ``errors``.
    """

    files: int = 0
    pending: int = 0
    dead: int = 0
    delivered: int = 0
    busy: int = 0
    left: int = 0
    errors: list[Exception] = field(default_factory=list)


async def adopt_shards(paths: Iterable[Path], into: SqliteOutbox) -> Adopted:
    """Move the rows of every file that nobody owns into ``into``.

    Emptied files are deleted.
    """
    adopted = Adopted()
    for path in paths:
        try:
            owner = place.Ownership(path)
        except OutboxError:
            adopted.busy += 1
            continue
        try:
            await _adopt(path, owner, into, adopted)
        except OutboxFullError:
            adopted.left += 1
        except (OutboxError, OSError, sqlite3.Error) as error:
            adopted.errors.append(error)
    return adopted


async def _adopt(
    path: Path, owner: place.Ownership, into: SqliteOutbox, adopted: Adopted
) -> None:
    shard = await SqliteOutbox.open_owned(path, owner)
    try:
        await _drain(shard, into, adopted)
        await shard.finish()
        _delete(path, owner)
        adopted.files += 1
    finally:
        await shard.close()


async def _drain(shard: SqliteOutbox, into: SqliteOutbox, adopted: Adopted) -> None:
    for table in _TABLES:
        ids: list[int] = []
        while rows := await shard.writer.submit(
            Kind.READ, partial(export, table=table)
        ):
            before, ids = ids, [row.values[0] for row in rows]
            if ids == before:  # the disk has changed ids, so that none finds its row
                break
            number = await into.writer.submit(
                Kind.WRITE, partial(absorb, table=table, rows=rows)
            )
            setattr(adopted, table, getattr(adopted, table) + number)
            await shard.writer.submit(Kind.HOLD, partial(remove, table=table, ids=ids))
    latest = await shard.latest()
    await into.writer.submit(Kind.WRITE, lambda store: store.passed(latest))
    totals = await shard.writer.submit(Kind.READ, export_forgotten)
    await into.writer.submit(Kind.WRITE, partial(absorb_forgotten, totals=totals))
    await shard.writer.submit(Kind.HOLD, remove_forgotten)


def export(store: Store, table: str) -> list[Foreign]:
    """Read the first rows of a table."""
    columns = ", ".join(SOUND[table])
    query = f"SELECT {columns} FROM {table} ORDER BY id LIMIT ?"  # noqa: S608
    rows = store.db.execute(query, (_SLICE,)).fetchall()
    return [_foreign(store, table, values) for values in rows]


def _foreign(store: Store, table: str, values: tuple[Any, ...]) -> Foreign:
    """Give a row its names; one whose connection is lost may never be sent."""
    connection, names = values[1], store.names
    place = _TABLES[table].split(", ").index("mark")
    mark = values[place]
    if not names.has_connection(connection):
        connection, mark = 1, mark[:KEY_BYTES]  # it fits no body
        values = (*values[:place], mark, *values[place + 1 :])
    route = names.route_of(values[2]) if table in _ROUTED else None
    return Foreign(values, names.connection_name(connection), route, mark)


def absorb(store: Store, table: str, rows: Sequence[Foreign]) -> int:
    """Store rows of another file whose keys are not known here; gives how many."""
    known = first_copies(store, [row.mark[:KEY_BYTES] for row in rows])
    new = [row for row in rows if row.mark[:KEY_BYTES] not in known]
    _check_caps(store, table, new)
    if not new:
        return 0
    routed = table in _ROUTED
    values = []
    keys = {}
    for row, number in zip(new, store.new_ids(len(new)), strict=True):
        connection = store.names.connection(row.connection)
        route = () if row.route is None else (store.names.route(row.route),)
        rest = row.values[3:] if routed else row.values[2:]
        values.append((number, connection, *route, *rest))
        keys[row.mark[:KEY_BYTES]] = number
    columns = _TABLES[table]
    insert(store.db, f"{table} ({columns})", columns.count(",") + 1, values)
    store.keys.write(keys)
    _count(store, table, values)
    return len(new)


def export_forgotten(store: Store) -> dict[str, int]:
    """Count the delivered rows that are no longer known, by connection."""
    rows = store.db.execute("SELECT connection, number FROM forgotten").fetchall()
    return {store.names.connection_name(number): count for number, count in rows}


def absorb_forgotten(store: Store, totals: Mapping[str, int]) -> None:
    """Add what another file counted."""
    names = store.names
    add_forgotten(store, {names.connection(name): n for name, n in totals.items()})


def remove_forgotten(store: Store) -> None:
    """Delete counts that are added elsewhere."""
    store.db.execute("DELETE FROM forgotten")


def remove(store: Store, table: str, ids: Sequence[int]) -> None:
    """Delete rows that are stored elsewhere."""
    store.db.execute(
        f"DELETE FROM {table} WHERE id IN (SELECT value FROM json_each(?))",  # noqa: S608
        (json.dumps(ids),),
    )


def _check_caps(store: Store, table: str, rows: Sequence[Foreign]) -> None:
    total, caps = store.counts.total, store.caps
    room = {
        "pending": caps.max_rows - total.rows,
        "dead": caps.max_dead - total.dead,
        "delivered": caps.max_known_keys - total.delivered,
    }
    if len(rows) > room[table]:
        raise OutboxFullError("the rows of another file do not fit under the caps")


def _count(store: Store, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    size = COLUMNS.split(", ").index("size")
    changes: dict[int, Count] = {}
    for row in rows:
        change = changes.setdefault(row[1], Count())
        if table == "pending":
            change.add(Count(rows=1, bytes=row[size]))
        elif table == "dead":
            change.add(Count(dead=1, dead_bytes=row[size]))
        else:
            change.add(Count(delivered=1))
    store.counts.add(changes)
    if table == "pending":
        store.afterwards.append(lambda: _give_back(store, rows))


def _give_back(store: Store, rows: Sequence[tuple[Any, ...]]) -> None:
    for row in rows:
        store.claims.put_back(row[1], (row[11], row[0]))


def _delete(path: Path, owner: place.Ownership) -> None:
    """Delete an emptied file; its lock is held, and goes last."""
    for suffix in ("", "-wal", "-journal"):
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
    space.ballast_file(path).unlink(missing_ok=True)
    owner.remove()
    place.sync_folder(path.parent)
