"""The tables of an outbox file, and how a file is opened.

One connection writes and checkpoints, and it keeps the file to itself: with two, SQLite
3.7.0 to 3.51.2 can corrupt the file (https://sqlite.org/wal.html#walresetbug).
"""

import sqlite3
from pathlib import Path
from typing import Final

from tokferry_server.delivery.outbox.interface import OutboxError

VERSION: Final = 1
PAGE_BYTES: Final = 4_096

_OLDEST_SQLITE: Final = (3, 35, 0)

_ROW: Final = """
  id INTEGER PRIMARY KEY,
  connection INTEGER NOT NULL,
  route INTEGER NOT NULL,
  event TEXT NOT NULL,
  event_id TEXT NOT NULL,
  time_ms INTEGER NOT NULL,
  label TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  batch INTEGER NOT NULL,
  item INTEGER NOT NULL,
  created REAL NOT NULL,
  next_at REAL NOT NULL,
  attempts INTEGER NOT NULL,
  first_ambiguous_at REAL,
  waited REAL NOT NULL,
  last_code INTEGER,
  replays INTEGER NOT NULL,
  trace BLOB,
  size INTEGER NOT NULL,
  mark BLOB NOT NULL,
  body BLOB NOT NULL
"""

_DEATH: Final = """
  died REAL NOT NULL,
  reason TEXT NOT NULL,
  code INTEGER,
  message TEXT NOT NULL,
  field TEXT,
  request_id TEXT,
  http_status INTEGER
"""
_DELIVERED: Final = """
  id INTEGER PRIMARY KEY,
  connection INTEGER NOT NULL,
  at REAL NOT NULL,
  mark BLOB NOT NULL,
  label TEXT NOT NULL
"""
_NOTHING: Final = {"INTEGER": "0", "REAL": "0.0", "TEXT": "''", "BLOB": "x''"}


def _sound(columns: str) -> tuple[str, ...]:
    return tuple(_sound_column(*column.split()) for column in columns.split(","))


def _sound_column(name: str, kind: str, *limits: str) -> str:
    value = f"coalesce({name}, {_NOTHING[kind]})" if limits else name
    return f"CAST({value} AS {kind})"


SOUND: Final = {
    "pending": _sound(_ROW),
    "dead": _sound(_ROW) + _sound(_DEATH),
    "delivered": _sound(_DELIVERED),
}
"""The columns of a table, of their types even where the disk has changed that: so that
a damaged row can be moved with the others.
"""

_TABLES: Final = f"""
BEGIN IMMEDIATE;
-- Ids are never used twice: next_id only grows. The keys of all rows up to flushed_id
-- are in the table known; those of later rows are read back when the file is opened.
-- latest is the latest time known to have passed, to a minute.
CREATE TABLE meta (
  next_id INTEGER NOT NULL, flushed_id INTEGER NOT NULL, latest REAL NOT NULL
);
INSERT INTO meta VALUES (1, 0, 0.0);
CREATE TABLE connection (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE route (
  id INTEGER PRIMARY KEY,
  wire_format TEXT NOT NULL,
  event_source TEXT NOT NULL,
  event_source_id TEXT NOT NULL,
  test_event_code TEXT
);
CREATE TABLE pending ({_ROW});
-- With the size, so that counting at the start reads no bodies.
CREATE INDEX pending_ready ON pending (connection, next_at, id, size);
CREATE INDEX pending_tried ON pending (connection, created) WHERE next_at <> created;
CREATE INDEX pending_label ON pending (label, connection, created, size)
  WHERE label <> '';
CREATE INDEX pending_ambiguous ON pending (connection, label)
  WHERE first_ambiguous_at IS NOT NULL;
CREATE TABLE dead ({_ROW}, {_DEATH});
CREATE INDEX dead_size ON dead (connection, size);
CREATE INDEX dead_died ON dead (died);
CREATE INDEX dead_label ON dead (label, connection, reason) WHERE label <> '';
-- One record for the rows of a request that is on its way: at which time, and a JSON
-- array of their ids.
CREATE TABLE sending (id INTEGER PRIMARY KEY, at REAL NOT NULL, ids TEXT NOT NULL);
-- What was delivered: mark is the key and a digest of the body, as in the rows.
CREATE TABLE delivered ({_DELIVERED});
CREATE INDEX delivered_at ON delivered (at);
CREATE INDEX delivered_label ON delivered (label, connection) WHERE label <> '';
-- How many rows the table delivered has held and forgotten.
CREATE TABLE forgotten (connection INTEGER PRIMARY KEY, number INTEGER NOT NULL);
-- May hold keys whose row is gone: only an id that is in another table counts.
CREATE TABLE known (key BLOB PRIMARY KEY, id INTEGER NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
COMMIT;
"""  # noqa: S608

_PRAGMAS: Final = (
    "locking_mode = EXCLUSIVE",
    "journal_mode = WAL",
    "synchronous = FULL",
    "fullfsync = ON",
    "checkpoint_fullfsync = ON",
    "wal_autocheckpoint = 0",  # the writer checkpoints itself, and sees it fail
    "journal_size_limit = 67108864",
    "cache_size = -16384",
    "temp_store = MEMORY",
    "cell_size_check = ON",
    "trusted_schema = OFF",
)


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, and make its tables if it is new.

    Raises:
        OutboxError: it is of a later version, or no outbox, or SQLite is too old.
        sqlite3.Error: it cannot be read or written.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise OutboxError(
            f"the outbox needs SQLite 3.35 or later, and this Python has "
            f"{sqlite3.sqlite_version}"
        )
    new = path.stat().st_size == 0
    connection = sqlite3.connect(path, isolation_level=None, timeout=0)
    try:
        if new:  # on a full disk, free pages can then be given back
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").fetchall()
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == VERSION:
        return
    if version > VERSION:
        raise OutboxError(
            f"{path} was written by a later release (layout {version}; this one "
            f"knows {VERSION}): start that release, or choose another file"
        )
    if connection.execute("SELECT 1 FROM sqlite_schema").fetchone() is not None:
        raise OutboxError(f"{path} is no outbox: choose another file")
    connection.executescript(_TABLES)
