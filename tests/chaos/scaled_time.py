"""Time that runs faster than the wall's, the same in every process of a run."""

import asyncio
import os
import time
from typing import Final

from tokferry_server.delivery.durable.clock import Clock

SCALE: Final = "CHAOS_TIME_SCALE"
START: Final = "CHAOS_TIME_START"


class ScaledTime:
    """``scale`` seconds of the model pass in one; they began at Unix time ``start``."""

    def __init__(self, scale: float, start: float) -> None:
        self._scale = scale
        self._start = start

    @classmethod
    def of_run(cls) -> "ScaledTime":
        """Read what the driver of the run has set."""
        return cls(float(os.environ[SCALE]), float(os.environ[START]))

    def wall(self) -> float:
        """Give Unix seconds of the model."""
        return self._start + (time.time() - self._start) * self._scale

    def monotonic(self) -> float:
        """Give seconds of the model that never go back."""
        return time.monotonic() * self._scale

    async def sleep(self, seconds: float) -> None:
        """Sleep for so many seconds of the model."""
        await asyncio.sleep(seconds / self._scale)

    def clock(self) -> Clock:
        """Give the clock of a durable worker."""
        return Clock(monotonic=self.monotonic, wall=self.wall, sleep=self.sleep)
