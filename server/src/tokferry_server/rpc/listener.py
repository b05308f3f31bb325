"""A gRPC server that no call to an unknown method can stop, and no flood can hold."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # it has no types

from tokferry_server.rpc.turns import MOST, Turns

_UNKNOWN: Final = "(unknown)"
_AT_ONCE: Final = 16
"""How many calls to one method are asked of gRPC at a time."""
_FULL_SECONDS: Final = 0.01
_STOP_LOOKS: Final = 200


class _Listener(cygrpc.AioServer):  # type: ignore[misc]  # as above
    """Takes up calls by turns of their connections, and unknown ones without a look.

    By itself gRPC lets calls to a method wait in the order in which they came: behind
    a flood, all others wait until it is worked off. grpcio 1.84 and 1.85 decode the
    name of an unknown method in the loop that takes in all calls: one path that is not
    UTF-8, from anyone, ends the loop, and with it the server.
    """

    def __init__(self, turns: Turns, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._turns = turns
        self._accepting: dict[bytes, list[asyncio.Task[None]]] = {}

    def _make_request_call_future(self, method: bytes | None) -> "asyncio.Future[Any]":
        """Give the next call to a method; those to unknown ones are answered here."""
        if method is None:
            return asyncio.ensure_future(self._refuse_unknown())
        taker = self._turns.take(method)
        if method not in self._accepting:
            self._accepting[method] = [
                asyncio.ensure_future(self._accept(method)) for _ in range(_AT_ONCE)
            ]
        return taker

    async def _accept(self, method: bytes) -> None:
        """Let calls to a method wait for their turn, until the server stops."""
        while True:
            try:
                call = await self._request_registered_call(method)
            except cygrpc._RequestCallError:  # noqa: SLF001  it has no other name
                if not self.is_running():
                    return
                continue
            except Exception as error:  # noqa: BLE001  gRPC's loop knows what to do
                self._turns.fail(method, error)
                return
            self._turns.put(method, _peer(call), call)
            del call
            while self._turns.waiting >= MOST:  # noqa: ASYNC110  hardly ever
                await asyncio.sleep(_FULL_SECONDS)

    async def shutdown(self, grace: float | None) -> None:
        """Take up what waits, for a moment; callers are told then that it stops."""
        for _ in range(_STOP_LOOKS):
            if not self._turns.waiting:
                break
            await asyncio.sleep(_FULL_SECONDS)
        await super().shutdown(grace)

    async def _refuse_unknown(self) -> None:
        """Answer UNIMPLEMENTED until the server stops; gRPC's own error ends it."""
        loop = asyncio.get_running_loop()
        nothing = cygrpc._MethodResolver([], {})  # noqa: SLF001  see the class
        answering: set[asyncio.Task[None]] = set()
        while True:
            call = await self._request_call()
            answer = cygrpc._handle_rpc(  # noqa: SLF001
                _UNKNOWN, nothing, (), call, loop, False
            )
            task = loop.create_task(
                cygrpc._schedule_rpc_coro(answer, call, loop, _UNKNOWN)  # noqa: SLF001
            )
            answering.add(task)
            task.add_done_callback(answering.discard)


def _peer(call: Any) -> str:
    context = cygrpc._ServicerContext(call, None, None, None)  # noqa: SLF001
    return str(context.peer())


def listener(
    interceptors: Sequence[grpc.aio.ServerInterceptor],
    *,
    options: Sequence[tuple[str, int]],
    turns: Turns,
) -> grpc.aio.Server:
    """Give a server as ``grpc.aio.server`` does; register methods, not handlers."""
    original = cygrpc.AioServer
    cygrpc.AioServer = partial(_Listener, turns)
    try:
        return grpc.aio.server(interceptors=interceptors, options=options)
    finally:
        cygrpc.AioServer = original
