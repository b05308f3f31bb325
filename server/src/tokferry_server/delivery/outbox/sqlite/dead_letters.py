"""Lists, counts, replays, purges and expires dead letters, a slice at a time.

A filter may have to walk over a million rows: a slice is one turn of the writer thread,
so that what the service itself wants to write does not wait for long.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tokferry_server.delivery.outbox.doubt import in_doubt_too_long
from tokferry_server.delivery.outbox.interface import (
    DeadFilter,
    DeadGroup,
    DeadRow,
    Replay,
)
from tokferry_server.delivery.outbox.sqlite.counts import Count, tally
from tokferry_server.delivery.outbox.sqlite.puts import first_copies
from tokferry_server.delivery.outbox.sqlite.rows import (
    COLUMNS,
    KEY_BYTES,
    READ_DEAD,
    read_dead,
)
from tokferry_server.delivery.outbox.sqlite.store import Store

DEAD_SECONDS: Final = 30 * 86_400.0
MOST_REPLAYS: Final = 3

_SLICE: Final = 2_000

_ASKED: Final = "id IN (SELECT value FROM json_each(?))"
_WALK: Final = "SELECT id FROM dead WHERE id > ? ORDER BY id LIMIT ?"
_CHOSEN: Final = """
(?1 IS NULL OR id IN (SELECT value FROM json_each(?1)))
AND (?2 IS NULL OR connection = ?2) AND (?3 IS NULL OR reason = ?3)
AND (?4 IS NULL OR code = ?4) AND (?5 IS NULL OR label = ?5)
AND (?6 IS NULL OR died >= ?6) AND (?7 IS NULL OR died < ?7)
AND id > ?8 AND id <= ?9
AND (?10 IS NULL OR reason IN (SELECT value FROM json_each(?10)))
AND (?11 IS NULL OR code IN (SELECT value FROM json_each(?11)))
AND (?12 IS NULL OR (first_ambiguous_at IS NOT NULL) = ?12)
AND (?13 IS NULL OR instr(body, ?13) > 0)
"""
_LIST: Final = f"SELECT {READ_DEAD} FROM dead WHERE {_CHOSEN} ORDER BY id LIMIT ?14"  # noqa: S608
_COUNT: Final = f"SELECT reason, count(*) FROM dead WHERE {_CHOSEN} GROUP BY reason"  # noqa: S608
_GROUPS: Final = f"""
SELECT connection, reason, code, count(*), sum(size), min(died), max(died)
FROM dead WHERE {_CHOSEN} GROUP BY connection, reason, code
"""  # noqa: S608
_SIZES: Final = f"""
SELECT id, connection, size FROM dead WHERE {_CHOSEN} ORDER BY id LIMIT ?14
"""  # noqa: S608
_REPLAYABLE: Final = f"""
SELECT id, connection, size, first_ambiguous_at, replays, mark
FROM dead WHERE {_CHOSEN} ORDER BY id LIMIT ?14
"""  # noqa: S608
_REPLAY: Final = f"""
INSERT INTO pending ({COLUMNS}) SELECT id, connection, route, event, event_id, time_ms,
  label, sequence, batch, item, created, max(?1, created), 0,
  iif(?2, NULL, first_ambiguous_at), max(0.0, ?1 - created), last_code,
  replays + 1, trace, size, mark, body
FROM dead WHERE id IN (SELECT value FROM json_each(?3))
"""  # noqa: S608
_REMOVE: Final = f"DELETE FROM dead WHERE {_ASKED}"  # noqa: S608
_EXPIRED: Final = """
SELECT id, connection, size FROM dead WHERE died <= ? ORDER BY died LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Slice:
    """Dead letters with ``after`` < id <= ``until``; ``last`` when none come behind."""

    after: int
    until: int
    last: bool


def next_slice(store: Store, after: int) -> Slice:
    """Give the slice behind an id."""
    ids = store.db.execute(_WALK, (after, _SLICE)).fetchall()
    until = ids[-1][0] if ids else after
    return Slice(after, until, len(ids) < _SLICE)


def read(store: Store, chosen: DeadFilter, part: Slice, limit: int) -> list[DeadRow]:
    """Give the chosen dead letters of a slice, by id."""
    values = (*_values(store, chosen, part), limit)
    rows = store.db.execute(_LIST, values).fetchall()
    return [read_dead(row, store.names) for row in rows]


def count(store: Store, chosen: DeadFilter, part: Slice) -> dict[str, int]:
    """Count the chosen dead letters of a slice by reason."""
    return dict(store.db.execute(_COUNT, _values(store, chosen, part)).fetchall())


def groups(store: Store, chosen: DeadFilter, part: Slice) -> list[DeadGroup]:
    """Count the chosen dead letters of a slice by connection, reason and code."""
    return [
        DeadGroup(
            connection=store.names.connection_name(number),
            reason=reason,
            code=code,
            count=count,
            bytes=size,
            oldest=oldest,
            newest=newest,
        )
        for number, reason, code, count, size, oldest, newest in store.db.execute(
            _GROUPS, _values(store, chosen, part)
        ).fetchall()
    ]


def purge(store: Store, chosen: DeadFilter, part: Slice) -> int:
    """Delete the chosen dead letters of a slice."""
    values = (*_values(store, chosen, part), _SLICE)
    return _remove(store, store.db.execute(_SIZES, values).fetchall())


def expire(store: Store) -> int:
    """Delete dead letters after their thirty days; gives how many."""
    if store.counts.total.dead == 0:
        return 0
    values = (store.clock() - DEAD_SECONDS, _SLICE)
    return _remove(store, store.db.execute(_EXPIRED, values).fetchall())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOrder:
    """What the caller of a replay asked for."""

    now: float
    accept_double_count: bool
    force: bool
    dry_run: bool = False


def replay(
    store: Store, chosen: DeadFilter, part: Slice, limit: int, order: ReplayOrder
) -> Replay:
    """Put the chosen dead letters of a slice back, up to ``limit`` of them."""
    store.in_replay()
    values = (*_values(store, chosen, part), _SLICE)
    rows = store.db.execute(_REPLAYABLE, values).fetchall()
    firsts = first_copies(store, [row[5][:KEY_BYTES] for row in rows])
    back: list[tuple[Any, ...]] = []
    refused = exhausted = 0
    reached = part.until
    for row in rows:
        number, ambiguous_at, replays = row[0], row[3], row[4]
        late = in_doubt_too_long(ambiguous_at, order.now)
        first = firsts.get(row[5][:KEY_BYTES])
        newer = first is not None and first.id != number
        if len(back) >= limit:
            reached = number - 1
            break
        if (late or newer) and not order.accept_double_count:
            refused += 1
        elif replays >= MOST_REPLAYS and not order.force:
            exhausted += 1
        else:
            back.append(row)
    if not order.dry_run:
        _put_back(store, back, order)
    return Replay(
        replayed=len(back), refused=refused, exhausted=exhausted, reached=reached
    )


def _put_back(
    store: Store, rows: Sequence[tuple[Any, ...]], order: ReplayOrder
) -> None:
    if not rows:
        return
    now, ids = order.now, json.dumps([row[0] for row in rows])
    store.db.execute(_REPLAY, (now, order.accept_double_count, ids))
    _remove(store, [row[:3] for row in rows])
    store.keys.write({row[5][:KEY_BYTES]: row[0] for row in rows})
    store.counts.add(tally((row[1], row[2]) for row in rows))

    def give_back() -> None:
        for number, connection, *_ in rows:
            store.claims.put_back(connection, (now, number))

    store.afterwards.append(give_back)


def _remove(store: Store, rows: Sequence[tuple[Any, ...]]) -> int:
    if rows:
        store.db.execute(_REMOVE, (json.dumps([number for number, _, _ in rows]),))
        store.keys.lost_rows()
    fewer = tally((connection, size) for _, connection, size in rows)
    store.counts.add(
        {
            key: Count(dead=-one.rows, dead_bytes=-one.bytes)
            for key, one in fewer.items()
        }
    )
    return len(rows)


def _values(store: Store, chosen: DeadFilter, part: Slice) -> tuple[Any, ...]:
    connection = None
    if chosen.connection is not None:
        connection = store.names.find(chosen.connection) or -1
    return (
        json.dumps(list(chosen.ids)) if chosen.ids else None,
        connection,
        chosen.reason,
        chosen.code,
        chosen.label,
        chosen.since,
        chosen.until,
        part.after,
        part.until,
        json.dumps(list(chosen.reasons)) if chosen.reasons else None,
        json.dumps(list(chosen.codes)) if chosen.codes else None,
        chosen.ambiguous,
        None if chosen.identity is None else f'"{chosen.identity}"'.encode(),
    )
