"""Gives memory back to the system that floods and bursts have left behind."""

import asyncio
import contextlib
import ctypes
import gc
import math
from collections.abc import Callable
from typing import Final

from tokferry_server.telemetry.vitals import resident_bytes

EVERY_SECONDS: Final = 2.0
GROWTH_BYTES: Final = 16 * 1024 * 1024
GAIN_BYTES: Final = 1024 * 1024
_LONGEST_WAIT: Final = 32
_NO_MORE: Final = math.inf
_ARENA_MAX: Final = -8


async def keep_trimmed(
    *,
    resident: Callable[[], int] = resident_bytes,
    trim: Callable[[], None] | None = None,
    every: float = EVERY_SECONDS,
) -> None:
    """Trim when the process has grown by 16 MiB, and on while that makes it smaller.

    Calls that were broken off leave cycles of a few objects, too few for a collection,
    that hold megabytes of gRPC's; and glibc keeps what was freed between pieces in use.
    Floods of headers made the process 20 MiB larger each time. What is in use when it
    is trimmed may be free soon after, so it is tried again after 1, 2, 4, … 32 times
    ``every`` seconds.
    """
    trim = trim or trimmer()
    if trim is None:
        return
    smallest, looks, waits = resident(), 0, _NO_MORE
    while True:
        await asyncio.sleep(every)
        found, looks = resident(), looks + 1
        grown = found - smallest > GROWTH_BYTES
        if grown or looks >= waits:
            await asyncio.to_thread(trim)
            smallest = resident()
            if grown or found - smallest > GAIN_BYTES:
                waits = 1
            else:
                waits = 2 * waits if waits < _LONGEST_WAIT else _NO_MORE
            looks = 0
        smallest = min(smallest, found)


def share_heap() -> None:
    """Let all threads take memory from one heap; to be called before there are any.

    gRPC's threads read into what others free: with heaps of their own, each keeps what
    it took. https://man7.org/linux/man-pages/man3/mallopt.3.html
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def trimmer() -> Callable[[], None] | None:
    """Give what trims the heap, or ``None`` where the C library has no such thing.

    https://man7.org/linux/man-pages/man3/malloc_trim.3.html
    """
    try:
        malloc_trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None

    def trim() -> None:
        gc.collect()
        malloc_trim(0)

    return trim
