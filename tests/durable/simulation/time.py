"""The times of a simulation: the true one, and what a machine's clock makes of it."""

import asyncio
from dataclasses import dataclass, field

from tokferry_server.delivery.durable import Uptime

EPOCH = 1_795_000_000.0


@dataclass
class Times:
    """``offset`` is how wrong the machine's clock is, in seconds.

    ``boots`` counts its starts, the last of which was at ``booted``.
    """

    offset: float = 0.0
    boots: int = 1
    booted: float = 0.0
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def true(self) -> float:
        return EPOCH + self.loop.time()

    def wall(self) -> float:
        return self.true() + self.offset

    def uptime(self) -> Uptime:
        return Uptime(f"boot {self.boots}", self.true() - self.booted)

    def reboot(self) -> None:
        self.boots += 1
        self.booted = self.true()
