"""Faults planted in the server from outside, to prove that the checker sees them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from msgspec import structs

from tokferry_server.delivery import isolate
from tokferry_server.delivery.durable import lane as lanes
from tokferry_server.delivery.durable.consignment import Consignment
from tokferry_server.delivery.group import Item
from tokferry_server.delivery.outbox.interface import (
    NewRow,
    OutboxFullError,
    Put,
    State,
)
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox
from tokferry_server.tiktok.answer import Answer
from tokferry_server.tiktok.verdict import Verdict
from tokferry_server.tiktok.verdicts import classify

_LATE_S: Final = 0.3
_OK: Final = 200


def _patch(owner: Any, name: str, new: Callable[..., Any]) -> None:
    setattr(owner, name, new)


def _promises(rows: Sequence[NewRow]) -> list[Put]:
    return [Put(id=None, state=State.PENDING) for _ in rows]


def _ack_before_commit() -> None:
    put = SqliteOutbox.put
    writing: set[asyncio.Task[Any]] = set()

    async def early(self: SqliteOutbox, rows: Sequence[NewRow]) -> list[Put]:
        async def later() -> None:
            await asyncio.sleep(_LATE_S)
            await put(self, rows)

        task = asyncio.create_task(later())
        writing.add(task)
        task.add_done_callback(writing.discard)
        return _promises(rows)

    _patch(SqliteOutbox, "put", early)


def _new_id_on_retry() -> None:
    post = Consignment._post

    async def renamed(self: Consignment, items: Sequence[Item]) -> Answer:
        if self._rows[items[0].index].attempts:
            items = [replace(item, body=_renamed(item.body)) for item in items]
        return await post(self, items)

    _patch(Consignment, "_post", renamed)


def _renamed(body: bytes) -> bytes:
    return body.replace(b'"event_id":"', b'"event_id":"again-')


def _drop_on_full() -> None:
    put = SqliteOutbox.put

    async def forgetful(self: SqliteOutbox, rows: Sequence[NewRow]) -> list[Put]:
        try:
            return await put(self, rows)
        except OutboxFullError:
            return _promises(rows)

    _patch(SqliteOutbox, "put", forgetful)


def _settle_before_answer() -> None:
    prepare = Consignment._prepare

    async def hasty(self: Consignment) -> None:
        await prepare(self)
        ids = [row.id for row in self._rows]
        await self._errand.store.settle(self._lane, ids)

    _patch(Consignment, "_prepare", hasty)


def _ok_is_success() -> None:
    def gullible(answer: Answer) -> Verdict:
        if answer.http_status == _OK and answer.code is not None:
            return classify(structs.replace(answer, code=0))
        return classify(answer)

    for module in (isolate, lanes):
        _patch(module, "classify", gullible)


PLANTS: Final[dict[str, Callable[[], None]]] = {
    "ack before commit": _ack_before_commit,
    "new id on retry": _new_id_on_retry,
    "drop on full": _drop_on_full,
    "settle before answer": _settle_before_answer,
    "HTTP 200 is success": _ok_is_success,
}
