"""Puts a row at a time, whatever is refused; prints what was taken, line by line.

Run as a process of its own: `quota_child.py FILE ROWS`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from outbox.made import row
from tokferry_server.delivery.outbox.interface import OutboxFullError
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox, space


async def main(path: Path, number: int) -> None:
    box = await SqliteOutbox.open(path)
    for one in range(number):
        try:
            await box.put([row(one)])
        except OutboxFullError:
            print("full", one, flush=True)  # noqa: T201 - its parent reads it
            await asyncio.sleep(0.05)
        else:
            print("put", one, flush=True)  # noqa: T201 - as above
    await box.close()


if __name__ == "__main__":
    vars(space).update(MOST_BALLAST=2**16)
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
