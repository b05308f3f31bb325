"""An event loop whose time is virtual: it jumps to whatever comes next."""

import asyncio
import heapq
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")
_START = 1000.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs in virtual time, alike every time; nothing outside can wake it."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        self.now = _START
        super().__init__()

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        """Do what asyncio's own does, without files, and without their cost."""
        ready, scheduled = self._ready, self._scheduled
        if not ready:
            while scheduled and scheduled[0].cancelled():
                heapq.heappop(scheduled)
            if not scheduled:
                raise RuntimeError("everything waits, and nothing can ever happen")
            self.now = max(self.now, scheduled[0].when())
        while scheduled and scheduled[0].when() <= self.now:
            ready.append(heapq.heappop(scheduled))
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()


def run_virtually(work: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end, as ``asyncio.run`` does, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
