"""What becomes of claimed rows: delivered, to be tried again, or given up."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from tokferry_server.delivery.outbox.interface import (
    KNOWN_KEY_SECONDS,
    Death,
    OutboxFullError,
    Reschedule,
)
from tokferry_server.delivery.outbox.sqlite.claims import Claim
from tokferry_server.delivery.outbox.sqlite.counts import Count, tally
from tokferry_server.delivery.outbox.sqlite.rows import COLUMNS
from tokferry_server.delivery.outbox.sqlite.schema import SOUND
from tokferry_server.delivery.outbox.sqlite.store import Store

_MESSAGE_CHARACTERS: Final = 256
_SPARE_FORGOTTEN: Final = 1_000

_ASKED: Final = "id IN (SELECT value FROM json_each(?))"
_READ: Final = f"SELECT id, connection, next_at, size FROM pending WHERE {_ASKED}"  # noqa: S608
_DELIVERED: Final = f"""
INSERT OR REPLACE INTO delivered (id, at, connection, mark, label)
SELECT id, ?, connection, mark, label FROM pending WHERE {_ASKED}
"""  # noqa: S608
_REMOVE: Final = f"DELETE FROM pending WHERE {_ASKED}"  # noqa: S608
_RESCHEDULE: Final = """
UPDATE pending SET next_at = max(?, created), attempts = ?, waited = waited + ?,
  last_code = ?, first_ambiguous_at = coalesce(first_ambiguous_at, ?)
WHERE id = ?
"""
_KILL: Final = f"""
INSERT INTO dead (
  {COLUMNS}, died, reason, code, message, field, request_id, http_status
)
SELECT id, ?, {", ".join(SOUND["pending"][2:])}, ?, ?, ?, ?, ?, ?, ?
FROM pending WHERE id = ?
"""  # noqa: S608
_LAST: Final = """
UPDATE dead SET attempts = coalesce(?, attempts), last_code = coalesce(?, last_code),
  first_ambiguous_at = coalesce(first_ambiguous_at, ?)
WHERE id = ?
"""
_OLDEST: Final = """
SELECT id, connection FROM delivered WHERE at <= ? ORDER BY at, id LIMIT ?
"""
_FORGOTTEN: Final = """
INSERT INTO forgotten VALUES (?, ?)
ON CONFLICT (connection) DO UPDATE SET number = number + excluded.number
"""
_FORGET: Final = f"DELETE FROM delivered WHERE {_ASKED}"  # noqa: S608


def settle(store: Store, ids: Sequence[int], now: float) -> None:
    """Remove delivered rows, remember their keys, and forget as many that are old."""
    store.before_settle()
    rows = _rows(store, ids)
    if not rows:
        return
    store.sending.undo(rows)
    asked = json.dumps(list(rows))
    store.db.execute(_DELIVERED, (now, asked))
    store.db.execute(_REMOVE, (asked,))
    store.counts.add(
        {
            connection: Count(rows=-one.rows, bytes=-one.bytes, delivered=one.rows)
            for connection, one in _tally(rows).items()
        }
    )
    store.afterwards.append(lambda: _gone(store, rows))
    forget_old(store, 2 * len(rows))
    forget_most(store, 2 * len(rows) + _SPARE_FORGOTTEN)


def reschedule(store: Store, rows: Sequence[Reschedule]) -> None:
    """Give rows back, due at their new time."""
    store.before_reschedule()
    known = _rows(store, [row.id for row in rows])
    store.sending.undo(known)
    store.db.executemany(
        _RESCHEDULE,
        [
            (
                row.next_at,
                row.attempts,
                row.waited,
                row.last_code,
                row.first_ambiguous_at,
                row.id,
            )
            for row in rows
        ],
    )

    def give_back() -> None:
        _gone(store, known)
        for row in rows:
            if row.id in known:
                place = (row.next_at, row.id)
                store.claims.put_back(known[row.id].connection, place)

    store.afterwards.append(give_back)


def kill(store: Store, deaths: Sequence[Death], now: float) -> None:
    """Move rows to the dead letters."""
    store.before_kill()
    rows = _rows(store, [death.id for death in deaths])
    chosen = {death.id: death for death in deaths if death.id in rows}
    if not chosen:
        return
    _check_caps(store, list(rows.values()))
    store.sending.undo(rows)
    for death in chosen.values():
        connection = rows[death.id].connection
        store.db.execute(_KILL, (connection, now, *_words(death), death.id))
        store.db.execute(
            _LAST, (death.attempts, death.code, death.first_ambiguous_at, death.id)
        )
    store.db.execute(_REMOVE, (json.dumps(list(chosen)),))
    store.counts.add(
        {
            connection: Count(
                rows=-one.rows,
                bytes=-one.bytes,
                dead=one.rows,
                dead_bytes=one.bytes,
            )
            for connection, one in _tally(rows).items()
        }
    )
    store.afterwards.append(lambda: _gone(store, rows))


def forget_old(store: Store, most: int) -> int:
    """Forget delivered keys after their 48 hours; gives how many."""
    return _forget(store, store.clock() - KNOWN_KEY_SECONDS, most)


def forget_most(store: Store, most: int) -> int:
    """Forget the oldest delivered keys beyond the cap, or the disk's room for them.

    Gives how many.
    """
    cap = min(store.caps.max_known_keys, store.space.most_keys())
    excess = store.counts.total.delivered - cap
    return _forget(store, float("inf"), min(excess, most)) if excess > 0 else 0


def _forget(store: Store, until: float, most: int) -> int:
    if store.counts.total.delivered == 0:
        return 0
    rows = store.db.execute(_OLDEST, (until, most)).fetchall()
    if rows:
        store.db.execute(_FORGET, (json.dumps([number for number, _ in rows]),))
        store.keys.lost_rows()
    fewer = tally((connection, 0) for _, connection in rows)
    store.counts.add({key: Count(delivered=-one.rows) for key, one in fewer.items()})
    add_forgotten(store, {key: one.rows for key, one in fewer.items()})
    return len(rows)


def add_forgotten(store: Store, numbers: Mapping[int, int]) -> None:
    """Count delivered rows that are no longer known, by connection number."""
    store.db.executemany(_FORGOTTEN, list(numbers.items()))


def note_sending(store: Store, ids: Sequence[int], at: float) -> None:
    """Note rows that are about to be posted."""
    store.passed(at)
    record, new = store.sending.note(ids, at)
    store.afterwards.append(lambda: store.sending.keep(record, new))


def _rows(store: Store, ids: Sequence[int]) -> dict[int, Claim]:
    """Give what is known of those rows that are there; claimed ones are not read."""
    taken = store.claims.taken
    rows = {number: taken[number] for number in ids if number in taken}
    asked = [number for number in ids if number not in taken]
    if asked:
        for number, *values in store.db.execute(_READ, (json.dumps(asked),)):
            rows[number] = Claim(*values)
    return rows


def _tally(rows: dict[int, Claim]) -> dict[int, Count]:
    return tally((claim.connection, claim.size) for claim in rows.values())


def _gone(store: Store, rows: dict[int, Claim]) -> None:
    store.claims.drop(rows)
    store.recent.drop(rows)
    store.unwritten.difference_update(rows)


def _check_caps(store: Store, rows: Sequence[Claim]) -> None:
    caps, total = store.caps, store.counts.total
    size = sum(row.size for row in rows)
    if total.dead + len(rows) > caps.max_dead:
        raise OutboxFullError(
            f"there are {total.dead} dead letters of at most {caps.max_dead}: replay "
            "or purge some"
        )
    if total.dead_bytes + size > caps.max_dead_bytes:
        raise OutboxFullError(
            f"the dead letters hold {total.dead_bytes} bytes of at most "
            f"{caps.max_dead_bytes}: replay or purge some"
        )


def _words(
    death: Death,
) -> tuple[str, int | None, str, str | None, str | None, int | None]:
    return (
        death.reason,
        death.code,
        death.message[:_MESSAGE_CHARACTERS],
        death.field,
        death.request_id,
        death.http_status,
    )
