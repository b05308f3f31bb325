"""Says through ``grpc.health.v1`` whether this process should get calls.

It should not while the disk of the outbox is full, while the event loop is late, and
from the moment on at which the process is told to end.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from tokferry_server import background

LATE_S: Final = 0.25
"""How late the loop may be, as the median of the last looks: one large request alone
does not count."""

EVERY_S: Final = 0.5
_LOOKS: Final = 5

HasRoom = Callable[[], Awaitable[bool]]


class Health:
    """The health of all services of a server; ``has_room`` asks the outbox, if any."""

    def __init__(self, services: Sequence[str], has_room: HasRoom | None) -> None:
        self._names = ("", *services)
        self._has_room = has_room
        self._servicer = HealthServicer()
        self._late: deque[float] = deque(maxlen=_LOOKS)
        self._serving = False
        self._watching: asyncio.Task[None] | None = None

    def add_to(self, server: grpc.aio.Server) -> None:
        """Answer for a server."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def begin(self) -> None:
        """Say SERVING, and watch from now on whether it holds."""
        await self._say(serving=True)
        self._watching = background.begin(self._watch())

    async def end(self) -> None:
        """Say NOT_SERVING for good."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await self._say(serving=False)

    async def _watch(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(EVERY_S)
            self._late.append(time.monotonic() - began - EVERY_S)
            fit = median(self._late) < LATE_S and await self._can_store()
            if fit != self._serving:
                await self._say(serving=fit)

    async def _can_store(self) -> bool:
        if self._has_room is None:
            return True
        try:
            return await self._has_room()
        except Exception:  # noqa: BLE001  whatever it is, it stores nothing
            return False

    async def _say(self, *, serving: bool) -> None:
        self._serving = serving
        states: Any = health_pb2.HealthCheckResponse
        for name in self._names:
            await self._servicer.set(
                name, states.SERVING if serving else states.NOT_SERVING
            )
