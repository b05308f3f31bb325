"""An event loop whose time is virtual: it jumps to whatever comes next."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")
_START = 1000.0


class _NoFiles(selectors.SelectSelector):
    """Waits for nothing but time: ``jump`` is told how much passes."""

    jump: Callable[[float], None]

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits, and nothing can ever happen")
        if timeout > 0:
            self.jump(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs in virtual time, alike every time; nothing outside can wake it."""

    def __init__(self) -> None:
        selector = _NoFiles()
        selector.jump = self._jump
        self.now = _START
        super().__init__(selector)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.now

    def _jump(self, seconds: float) -> None:
        self.now += seconds


def run_virtually(work: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end, as ``asyncio.run`` does, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
