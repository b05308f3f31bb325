"""Reads what outboxes hold that no server owns: ``kept.py FOLDER CONNECTION DB...``."""

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import msgspec

from chaos.history import KEPT, Kept
from chaos.sandbox_chaos import describe
from chaos.scaled_time import ScaledTime
from tokferry_server.delivery.outbox.interface import DeadFilter
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox

_FOREVER = 10 * 365 * 86_400.0
_SLICE = 1000


async def kept(paths: Sequence[Path], connection: str) -> Kept:
    """Give all that waits, and all dead letters."""
    found = Kept(pending=[], dead=[])
    for path in paths:
        await _read(path, connection, found)
    return found


async def _read(path: Path, connection: str, found: Kept) -> None:
    outbox = await SqliteOutbox.open(path, clock=ScaledTime.of_run().wall)
    try:
        later = time.time() + _FOREVER
        while rows := await outbox.claim(connection, _SLICE, later):
            found.pending.extend(describe(r.event, r.event_id, r.body) for r in rows)
        last = 0
        while dead := await outbox.dead(DeadFilter(), limit=_SLICE, after=last):
            found.dead.extend(describe(r.event, r.event_id, r.body) for r in dead)
            last = dead[-1].id
    finally:
        await outbox.close()


if __name__ == "__main__":
    folder, name = Path(sys.argv[1]), sys.argv[2]
    state = asyncio.run(kept([Path(one) for one in sys.argv[3:]], name))
    (folder / KEPT).write_bytes(msgspec.json.encode(state))
