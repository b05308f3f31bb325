"""Places for requests under way, given by turns of those who wait for one."""

import asyncio
from collections import OrderedDict, deque
from contextvars import ContextVar
from typing import Final

asker: Final = ContextVar("asker", default="")
"""For whom a request is sent: who calls seldom does not wait behind who calls a lot."""

_Waiting = asyncio.Future[None]


class Slots:
    """So many places; one that is left goes to the next asker's first request."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._lines: OrderedDict[str, deque[_Waiting]] = OrderedDict()

    async def enter(self, by: float) -> bool:
        """Take a place; False if there was none by a moment of the loop's clock."""
        if self._free:
            self._free -= 1
            return True
        waiting: _Waiting = asyncio.get_running_loop().create_future()
        who = asker.get()
        self._lines.setdefault(who, deque()).append(waiting)
        try:
            async with asyncio.timeout_at(by):
                await waiting
        except BaseException as error:
            if waiting.done() and not waiting.cancelled():
                self.leave()
            else:
                self._forget(who, waiting)
            if isinstance(error, TimeoutError):
                return False
            raise
        return True

    def leave(self) -> None:
        """Give a place to the next who still waits, or back."""
        while self._lines:
            who, line = self._lines.popitem(last=False)
            waiting = line.popleft()
            if line:
                self._lines[who] = line
            if not waiting.done():
                waiting.set_result(None)
                return
        self._free += 1

    def _forget(self, who: str, waiting: _Waiting) -> None:
        line = self._lines.get(who)
        if line is not None and waiting in line:
            line.remove(waiting)
            if not line:
                del self._lines[who]
