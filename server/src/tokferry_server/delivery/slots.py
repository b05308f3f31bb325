"""Places for requests under way, given by turns of those who wait for one."""

import asyncio
from contextvars import ContextVar
from typing import Final

from tokferry_server.lines import Lines

asker: Final = ContextVar("asker", default="")
"""For whom a request is sent: who calls seldom does not wait behind who calls a lot."""

_Waiting = asyncio.Future[None]


class Slots:
    """So many places; one that is left goes to the next asker's first request."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._lines: Lines[_Waiting] = Lines()

    async def enter(self, by: float) -> bool:
        """Take a place; False if there was none by a moment of the loop's clock."""
        if self._free:
            self._free -= 1
            return True
        waiting: _Waiting = asyncio.get_running_loop().create_future()
        who = asker.get()
        self._lines.put(who, waiting)
        try:
            async with asyncio.timeout_at(by):
                await waiting
        except BaseException as error:
            if waiting.done() and not waiting.cancelled():
                self.leave()
            else:
                self._lines.remove(who, waiting)
            if isinstance(error, TimeoutError):
                return False
            raise
        return True

    def leave(self) -> None:
        """Give a place to the next who still waits, or back."""
        while self._lines:
            waiting = self._lines.take()
            if not waiting.done():
                waiting.set_result(None)
                return
        self._free += 1
