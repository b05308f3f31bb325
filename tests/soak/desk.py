"""The clients of a run: all are replaced by new ones while calls go on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from tokferry import AsyncClient, Tls

_CLIENTS: Final = 4
"""A connection carries 32 calls at a time."""


@dataclass(slots=True)
class Shift:
    """Clients with one token, and how many calls use them."""

    clients: list[AsyncClient]
    calls: int = 0
    over: bool = False
    idle: asyncio.Event = field(default_factory=asyncio.Event)


class Desk:
    """Gives a client to each call."""

    def __init__(self, target: str, tls: Tls) -> None:
        self._target = target
        self._tls = tls
        self._turn = count()
        self._shift = Shift([])

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[tuple[AsyncClient, Shift]]:
        """Lend a client, and say whose shift it is: long calls end when it is over."""
        shift = self._shift
        shift.calls += 1
        try:
            yield shift.clients[next(self._turn) % _CLIENTS], shift
        finally:
            shift.calls -= 1
            if shift.over and not shift.calls:
                shift.idle.set()

    async def relieve(self, token: str) -> None:
        """Let new clients with this token take over, and wait for the old ones."""
        before = self._shift
        self._shift = Shift(
            [
                AsyncClient(self._target, token=token, tls=self._tls)
                for _ in range(_CLIENTS)
            ]
        )
        await self._end(before)

    async def close(self) -> None:
        """Close the clients once their calls have ended."""
        await self._end(self._shift)

    async def _end(self, shift: Shift) -> None:
        shift.over = True
        if shift.calls:
            await shift.idle.wait()
        for client in shift.clients:
            await client.close()
