"""An outbox whose bodies are sealed before an engine gets them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar, cast

from msgspec import structs

from tokferry_server.delivery.outbox.interface import (
    DeadFilter,
    DeadGroup,
    DeadRow,
    InspectableOutbox,
    NewRow,
    Put,
    Replay,
    Row,
)
from tokferry_server.delivery.outbox.vault import Vault

_PAGE: Final = 500
_NOBODY: Final = -1
"""An id that no row has: without ids, a filter takes all of them."""

_Row = TypeVar("_Row", bound=NewRow)
_Engine = TypeVar("_Engine", bound=InspectableOutbox)


def sealed(outbox: _Engine, vault: Vault) -> _Engine:
    """Give the outbox with bodies sealed on their way in and opened on their way out.

    A body is bound to its connection, event and id: it opens in no other row.
    """
    return cast("_Engine", _Sealed(outbox, vault))


class _Sealed:
    """What a body passes through; all else is the engine's own."""

    def __init__(self, outbox: InspectableOutbox, vault: Vault) -> None:
        self._outbox = outbox
        self._vault = vault

    def __getattr__(self, name: str) -> Any:
        return getattr(self._outbox, name)

    async def put(self, rows: Sequence[NewRow]) -> list[Put]:
        seal = self._vault.seal
        return await self._outbox.put(
            [structs.replace(row, body=seal(row.body, _about(row))) for row in rows]
        )

    async def claim(self, connection: str, limit: int, now: float) -> list[Row]:
        rows = await self._outbox.claim(connection, limit, now)
        return [self._opened(row) for row in rows]

    async def dead(
        self, chosen: DeadFilter, *, limit: int, after: int = 0
    ) -> list[DeadRow]:
        chosen = await self._without_identity(chosen)
        rows = await self._outbox.dead(chosen, limit=limit, after=after)
        return [self._opened(row) for row in rows]

    async def count_dead(self, chosen: DeadFilter) -> dict[str, int]:
        return await self._outbox.count_dead(await self._without_identity(chosen))

    async def dead_groups(self, chosen: DeadFilter) -> list[DeadGroup]:
        return await self._outbox.dead_groups(await self._without_identity(chosen))

    async def purge(self, chosen: DeadFilter) -> int:
        return await self._outbox.purge(await self._without_identity(chosen))

    async def replay(self, chosen: DeadFilter, **more: Any) -> Replay:
        chosen = await self._without_identity(chosen)
        return await self._outbox.replay(chosen, **more)

    def _opened(self, row: _Row) -> _Row:
        return structs.replace(row, body=self._vault.open(row.body, _about(row)))

    async def _without_identity(self, chosen: DeadFilter) -> DeadFilter:
        """Choose by ids what an engine cannot find in sealed bodies."""
        if chosen.identity is None:
            return chosen
        text = f'"{chosen.identity}"'.encode()
        chosen = replace(chosen, identity=None)
        ids: list[int] = []
        after = 0
        while page := await self._outbox.dead(chosen, limit=_PAGE, after=after):
            after = page[-1].id
            ids += [row.id for row in page if text in self._opened(row).body]
        return replace(chosen, ids=ids or (_NOBODY,))


def _about(row: NewRow) -> bytes:
    return f"{row.connection}\0{row.event}\0{row.event_id}".encode()
