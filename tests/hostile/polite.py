"""Calls up to 50 times a second until its input ends; says how long each call took.

    python tests/hostile/polite.py PORT

A process of its own, as what else the tests do would hold its calls up.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from made_up import batch, purchase
from tokferry import AsyncClient

TOKEN: Final = "a-made-up-token-of-a-caller"
_PAUSE_S: Final = 0.02
_TIMEOUT_S: Final = 10


def established(port: int) -> AsyncClient:
    """Give a client with a token and a connection of its own."""
    return AsyncClient(f"127.0.0.1:{port}", token=TOKEN, timeout=_TIMEOUT_S)


async def honest(client: AsyncClient) -> None:
    """Make a call that must not fail."""
    answer = await client.transform(batch(purchase()), connection="shop")
    assert len(answer.results) == 1


async def main(port: int) -> None:
    waits: list[float] = []
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    async with established(port) as client:
        await honest(client)
        print("established", flush=True)
        while not ended.done():
            began = time.monotonic()
            await honest(client)
            waits.append(time.monotonic() - began)
            await asyncio.sleep(_PAUSE_S)
    print(json.dumps(waits), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
