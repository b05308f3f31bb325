"""Looks at what each input costs: time, and memory over many."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

LONGEST_SECONDS: Final = 0.25
GROWTH: Final = 64 * 2**20
_WARM: Final = 2_000
"""Inputs after which memory is looked at for the first time."""
_LOOK: Final = 1_000
_PAGE: Final = 4096


class Watched:
    """Runs a target, and looks at what each input costs."""

    def __init__(self, target: Callable[[bytes], None]) -> None:
        self._target = target
        self._count = 0
        self._first = 0
        self.slowest = 0.0

    def __call__(self, data: bytes) -> None:
        """Run one input.

        Raises:
            RuntimeError: it took too long, or memory has grown.
        """
        start = time.thread_time()
        self._target(data)
        took = time.thread_time() - start
        self._count += 1
        self.slowest = max(self.slowest, took)
        if took > LONGEST_SECONDS:
            raise RuntimeError(f"{took:.3f} s of CPU for {len(data)} bytes")
        if self._count == _WARM:
            self._first = _resident()
        elif self._count > _WARM and self._count % _LOOK == 0:
            growth = _resident() - self._first
            if growth > GROWTH:
                raise RuntimeError(f"memory grew by {growth} bytes: {self._count} runs")


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
