"""Keeps the event loop free: long work is done in slices, others run in between."""

import asyncio
from collections.abc import Iterable
from typing import TypeVar

SLICE = 100
"""Events mapped at a time: a few milliseconds of work."""

T = TypeVar("T")


async def collect(items: Iterable[T]) -> list[T]:
    """Give all items, letting other calls run after each slice."""
    collected: list[T] = []
    for item in items:
        collected.append(item)
        if len(collected) % SLICE == 0:
            await asyncio.sleep(0)
    return collected
