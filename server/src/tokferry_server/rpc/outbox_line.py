"""Where streams wait that a full outbox holds back."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tokferry.v1 import ErrorReason
from tokferry_server.rpc.errors import CallError

FULL_SECONDS = 300.0
"""How long a full outbox holds a chunk back before its stream ends."""
_AGAIN_SECONDS = 0.5

T = TypeVar("T")


class OutboxLine:
    """Stores chunks as there is room for them, first come, first served.

    Each connection has a line of its own: it may be at its own cap while others are
    not. ``give_up`` is asked between tries.
    """

    def __init__(self) -> None:
        self._lines: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def store(
        self,
        connection: str,
        store: Callable[[], Awaitable[T]],
        give_up: Callable[[], bool],
    ) -> T:
        """Give what ``store`` gives, once it is not refused for want of room.

        Raises:
            CallError: it is refused for anything else, or has been for FULL_SECONDS.
        """
        line = self._lines[connection]
        if not line.locked():
            try:
                return await store()
            except CallError as error:
                _raise_unless_full(error)
        until = time.monotonic() + FULL_SECONDS
        try:
            async with asyncio.timeout(FULL_SECONDS):
                await line.acquire()
        except TimeoutError:
            return await store()
        try:
            while True:
                try:
                    return await store()
                except CallError as error:
                    _raise_unless_full(error)
                    if give_up() or time.monotonic() >= until:
                        raise
                await asyncio.sleep(_AGAIN_SECONDS)
        finally:
            line.release()


def _raise_unless_full(error: CallError) -> None:
    if error.reason != ErrorReason.ERROR_REASON_OUTBOX_FULL:
        raise error
