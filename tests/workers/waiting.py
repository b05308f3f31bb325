"""Waits for what comes about in another process, or in the background of this one."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def until(
    holds: Callable[[], bool | Awaitable[bool]], seconds: float = 30.0
) -> None:
    """Look again and again until it holds."""
    async with asyncio.timeout(seconds):
        while True:
            found = holds()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(0.02)
