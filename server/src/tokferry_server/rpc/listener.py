"""A gRPC server that no call to an unknown method can stop."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # it has no types

_UNKNOWN: Final = "(unknown)"


class _Listener(cygrpc.AioServer):  # type: ignore[misc]  # as above
    """Answers calls to methods that are not registered without reading their names.

    grpcio 1.84 and 1.85 decode such a name in the loop that takes in all calls: one
    path that is not UTF-8, from anyone, ends the loop, and with it the server.
    """

    def _make_request_call_future(self, method: bytes | None) -> "asyncio.Future[Any]":
        """Give the next call to a method; those to unknown ones are answered here."""
        if method is None:
            return asyncio.ensure_future(self._refuse_unknown())
        found: asyncio.Future[Any] = super()._make_request_call_future(method)
        return found

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


def listener(
    interceptors: Sequence[grpc.aio.ServerInterceptor],
    *,
    options: Sequence[tuple[str, int]],
    maximum_concurrent_rpcs: int | None = None,
) -> grpc.aio.Server:
    """Give a server as ``grpc.aio.server`` does; register methods, not handlers."""
    original = cygrpc.AioServer
    cygrpc.AioServer = _Listener
    try:
        return grpc.aio.server(
            interceptors=interceptors,
            options=options,
            maximum_concurrent_rpcs=maximum_concurrent_rpcs,
        )
    finally:
        cygrpc.AioServer = original
