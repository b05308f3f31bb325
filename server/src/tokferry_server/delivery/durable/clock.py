"""Time as the durable worker needs it: tests bring their own."""

import asyncio
import random as randomness
import time
from collections.abc import Awaitable, Callable

from tokferry_server.delivery.durable.uptime import Uptime, read_uptime


class Clock:
    """Three clocks, sleep and randomness.

    ``monotonic`` gives seconds that never go back, ``wall`` Unix seconds, ``uptime``
    those of the system, ``random`` a number in [0, 1).
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = randomness.random,
        uptime: Callable[[], Uptime] = read_uptime,
    ) -> None:
        self.monotonic = monotonic
        self.wall = wall
        self.sleep = sleep
        self.random = random
        self.uptime = uptime
        self._now = 0.0
        self._read = monotonic()

    def reach(self, at: float) -> None:
        """Go on from a Unix time that is known to have passed."""
        self._now = max(self.now(), at)

    def now(self) -> float:
        """Give Unix seconds that never pass more slowly than time does.

        A wall clock that is set back would make an event seem younger than it is, and
        TikTok would count it twice; one that is set forward is followed.
        """
        read = self.monotonic()
        self._now = max(self.wall(), self._now + read - self._read)
        self._read = read
        return self._now
