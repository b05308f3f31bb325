"""How many bytes of requests are held at a time, from reading to answering."""

import asyncio
from typing import Final

from tokferry_server.delivery.slots import asker
from tokferry_server.lines import Lines

MOST_BYTES: Final = 8 * 1024 * 1024
"""What is read takes five times as much: by gRPC, as a message, as rows, as answers."""
IDLE_SECONDS: Final = 0.1
"""How long room is kept for a message that does not come, while others wait for it."""
_Waiting = tuple[int, "asyncio.Future[None]"]


class RequestMemory:
    """Lets messages be read while there is room; askers wait by turns.

    How large a message is shows only when it has been read, so room is reserved for
    it first. A reservation larger than all the room there is gets in alone.
    """

    def __init__(
        self, most: int = MOST_BYTES, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._most = most
        self._idle_seconds = idle_seconds
        self._held = 0
        self._waiting: Lines[_Waiting] = Lines()

    async def reserve(self, size: int) -> "Share":
        """Wait until ``size`` more bytes may be held."""
        share = self.reserve_now(size)
        if share is None:
            await self._turn(size)
            share = Share(self, size, self._idle_seconds)
        return share

    def reserve_now(self, size: int) -> "Share | None":
        """Let ``size`` more bytes be held if they may be now, and nobody waits."""
        if self._waiting or not self._fits(size):
            return None
        self._held += size
        return Share(self, size, self._idle_seconds)

    def change(self, difference: int) -> None:
        """Note that more or less is held; what is held already may exceed the most."""
        self._held += difference
        self._let_in()

    async def _turn(self, size: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        who, waiting = asker.get(), (size, turn)
        self._waiting.put(who, waiting)
        try:
            await turn
        except asyncio.CancelledError:
            was_let_in = turn.done() and not turn.cancelled()
            self._waiting.remove(who, waiting)
            self.change(-size if was_let_in else 0)
            raise

    def _let_in(self) -> None:
        while self._waiting:
            size, turn = self._waiting.next()
            if not turn.done():
                if not self._fits(size):
                    return
                self._held += size
                turn.set_result(None)
            self._waiting.take()

    def _fits(self, size: int) -> bool:
        return not self._held or self._held + size <= self._most


class Share:
    """What is held for one message: an estimate until its size is known.

    An estimate lapses: a caller that has nothing to say holds nobody up.
    """

    def __init__(self, memory: RequestMemory, size: int, idle_seconds: float) -> None:
        self._memory = memory
        self._size = size
        loop = asyncio.get_running_loop()
        self._lapse = loop.call_later(idle_seconds, self.settle, 0)

    def settle(self, size: int) -> None:
        """Hold ``size`` bytes from now on."""
        self._lapse.cancel()
        difference, self._size = size - self._size, size
        self._memory.change(difference)

    def give_back(self) -> None:
        """Hold nothing any more."""
        self.settle(0)
