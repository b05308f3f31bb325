"""How many bytes of requests are worked on at a time, by all streams together."""

import asyncio
from collections import deque
from typing import Final

MOST_BYTES: Final = 4 * 1024 * 1024
"""Decoded and mapped, a request takes about ten times its own size."""


class RequestMemory:
    """Lets requests in, in the order in which they ask, while there is room.

    A request that is larger than all the room there is gets in alone.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._held = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._outside: deque[asyncio.Future[None]] = deque()

    async def room(self) -> None:
        """Wait until one more request may be read; its size is not known yet.

        While requests wait, each one that is done with lets one more be read.
        """
        if not self._waiting and self._held < self._most:
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._outside.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            self._let_read()
            raise

    async def take(self, size: int) -> None:
        """Wait until a request of ``size`` bytes may be worked on."""
        if not self._waiting and self._fits(size):
            self._held += size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._held -= size  # it had just been let in
            self._let_in()
            raise

    def give_back(self, size: int) -> None:
        """Note that a request is done with."""
        self._held -= size
        self._let_in()
        if not self._waiting:
            self._let_read()

    def _let_read(self) -> None:
        while self._outside:
            turn = self._outside.popleft()
            if not turn.done():
                turn.set_result(None)
                if self._held:
                    return

    def _let_in(self) -> None:
        while self._waiting:
            size, turn = self._waiting[0]
            if not turn.done():
                if not self._fits(size):
                    return
                self._held += size
                turn.set_result(None)
            self._waiting.popleft()

    def _fits(self, size: int) -> bool:
        return not self._held or self._held + size <= self._most
