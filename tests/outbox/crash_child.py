"""Puts, claims and settles until it dies; prints what was acknowledged, line by line.

Run as a process of its own: `crash_child.py FILE FIRST`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from outbox.made import rows
from tokferry_server.delivery.outbox.interface import DeadFilter, Death, Reschedule
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox, commits

ROWS = 5


def say(word: str, event_ids: list[str]) -> None:
    """Write a line for the parent at once: death may not cut it in two."""
    sys.stdout.write(" ".join((word, *event_ids)) + "\n")
    sys.stdout.flush()


async def turn(box: SqliteOutbox, first: int) -> None:
    """Do everything once that an outbox does."""
    now = time.time()
    new = rows(first, ROWS)
    say("try", [one.event_id for one in new])
    await box.put(new)
    say("put", [one.event_id for one in new])
    claimed = await box.claim("shop", 4, now + 1)
    one, two, *rest = claimed
    say("sending", [row.event_id for row in claimed])
    await box.sending([row.id for row in claimed], now)
    await box.settle([row.id for row in rest], now)
    say("settled", [row.event_id for row in rest])
    await box.reschedule([Reschedule(id=one.id, next_at=now, attempts=1)])
    await box.kill([Death(id=two.id, reason="A")], now)
    await box.replay(DeadFilter(), now=now, limit=1, force=True)


async def main(path: Path, first: int) -> None:
    box = await SqliteOutbox.open(path)
    for number in range(40):
        await turn(box, first + number * ROWS)
    await box.close()


def checkpoint_often() -> None:
    """A checkpoint after some twenty changes, not after thousands."""
    vars(commits).update(PAGES=76)


if __name__ == "__main__":
    checkpoint_often()
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
