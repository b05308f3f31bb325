"""Puts all dead letters of an outbox back, while no server owns it."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from chaos.scaled_time import ScaledTime
from tokferry_server.delivery.outbox.interface import DeadFilter
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox


async def replay(path: Path, connection: str) -> int:
    """Replay, and give how many were put back."""
    wall = ScaledTime.of_run().wall
    outbox = await SqliteOutbox.open(path, clock=wall)
    chosen = DeadFilter(connection=connection)
    try:
        done = await outbox.replay(chosen, now=wall(), limit=1_000_000)
    finally:
        await outbox.close()
    return done.replayed


if __name__ == "__main__":
    print(asyncio.run(replay(Path(sys.argv[1]), sys.argv[2])))
