"""Reads what an outbox holds, while no server owns it: ``python kept.py FOLDER DB``."""

import asyncio
import sys
import time
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


async def kept(path: Path, connection: str) -> Kept:
    """Give all that waits, and all dead letters."""
    outbox = await SqliteOutbox.open(path, clock=ScaledTime.of_run().wall)
    found = Kept(pending=[], dead=[])
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
    return found


if __name__ == "__main__":
    folder, database, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    state = asyncio.run(kept(database, name))
    (folder / KEPT).write_bytes(msgspec.json.encode(state))
