"""Keeps the event loop free: long work is done in slices, others run in between."""

import asyncio
from collections.abc import Iterable
from itertools import islice
from typing import TypeVar

SLICE = 100
"""Events mapped at a time: a few milliseconds of work."""

T = TypeVar("T")


async def collect(items: Iterable[T]) -> list[T]:
    """Give all items, letting other calls run after each slice."""
    rest = iter(items)
    collected = sliced = list(islice(rest, SLICE))
    while len(sliced) == SLICE:
        await asyncio.sleep(0)
        sliced = list(islice(rest, SLICE))
        collected += sliced
    return collected
