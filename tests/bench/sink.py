"""A process of its own: the sandbox, which here only counts the events it gets."""

import asyncio
import contextlib

import uvloop

from bench.configured import TOKEN
from tokferry_server.sandbox.server import Sandbox


async def main() -> None:
    """Serve until interrupted."""
    async with Sandbox(token=TOKEN, validate=False) as sandbox:
        print(sandbox.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    loop = uvloop.new_event_loop
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=loop) as r:
        r.run(main())
