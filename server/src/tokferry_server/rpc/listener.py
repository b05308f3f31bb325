"""A gRPC server that no call to an unknown method can stop, and no flood can hold."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # it has no types

from tokferry_server.rpc.turns import MOST, Turns
from tokferry_server.telemetry.wrapping import Wrapper, wrapped

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

    Calls go straight to the handlers of their methods, wrapped once for all. gRPC's
    loop waits for the next call to every method at a time, and asks interceptors for a
    handler at each call: that takes a quarter of what a call costs without its work.
    """

    def __init__(
        self,
        turns: Turns,
        wrappers: Sequence[Wrapper],
        loop: asyncio.AbstractEventLoop,
        *arguments: Any,
    ) -> None:
        super().__init__(loop, *arguments)
        self._loop = loop
        self._turns = turns
        self._wrappers = wrappers
        self._handlers: dict[str, Any] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    def add_registered_method_handlers(self, method_handlers: dict[str, Any]) -> None:
        """Answer calls to these methods by their handlers, wrapped."""
        super().add_registered_method_handlers(method_handlers)
        for method, handler in method_handlers.items():
            self._handlers[method] = wrapped(handler, method, self._wrappers)

    def _make_request_call_future(self, method: bytes | None) -> "asyncio.Future[Any]":
        """Answer calls to a method, ``None`` for unknown ones, until the server stops.

        Only gRPC's own error comes of it, for the loop that would answer them.
        """
        if method is None:
            return asyncio.ensure_future(self._refuse_unknown())
        return asyncio.gather(*(self._accept(method) for _ in range(_AT_ONCE)))

    async def _accept(self, method: bytes) -> None:
        """Let calls to a method wait for their turn."""
        name = method.decode()
        while True:
            try:
                call = await self._request_registered_call(method)
            except cygrpc._RequestCallError:  # noqa: SLF001  it has no other name
                if not self.is_running():
                    raise
                continue
            self._turns.put(name, _peer(call), partial(self._answer, name, call))
            del call
            while self._turns.waiting >= MOST:  # noqa: ASYNC110  hardly ever
                await asyncio.sleep(_FULL_SECONDS)

    def _answer(self, method: str, call: Any) -> None:
        handler = self._handlers[method]
        handle = (
            cygrpc._handle_stream_stream_rpc  # noqa: SLF001
            if handler.response_streaming
            else cygrpc._handle_stream_unary_rpc  # noqa: SLF001
        )
        self._run(handle(handler, call, self._loop), call, method)

    async def _refuse_unknown(self) -> None:
        """Answer UNIMPLEMENTED until the server stops; gRPC's own error ends it."""
        nothing = cygrpc._MethodResolver([], {})  # noqa: SLF001  see the class
        while True:
            call = await self._request_call()
            answer = cygrpc._handle_rpc(  # noqa: SLF001
                _UNKNOWN, nothing, (), call, self._loop, False
            )
            self._run(answer, call, _UNKNOWN)

    def _run(self, answer: Any, call: Any, method: str) -> None:
        """Write an answer, and stop when the caller goes away."""
        task = self._loop.create_task(
            cygrpc._schedule_rpc_coro(answer, call, self._loop, method)  # noqa: SLF001
        )
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def shutdown(self, grace: float | None) -> None:
        """Take up what waits, for a moment; callers are told then that it stops."""
        for _ in range(_STOP_LOOKS):
            if not self._turns.waiting:
                break
            await asyncio.sleep(_FULL_SECONDS)
        await super().shutdown(grace)


def _peer(call: Any) -> str:
    context = cygrpc._ServicerContext(call, None, None, None)  # noqa: SLF001
    return str(context.peer())


def listener(
    *wrappers: Wrapper,
    options: Sequence[tuple[str, int]] = (),
    turns: Turns,
) -> grpc.aio.Server:
    """Give a server as ``grpc.aio.server`` does; register methods, not handlers.

    Every call runs within the wrappers, the first of them outermost.
    """
    original = cygrpc.AioServer
    cygrpc.AioServer = partial(_Listener, turns, wrappers)
    try:
        return grpc.aio.server(options=options)
    finally:
        cygrpc.AioServer = original
