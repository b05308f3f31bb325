"""What runs around calls: wrappers, put around the handler of each method once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import grpc

if TYPE_CHECKING:
    Handler = Any  # grpc's stub files tell it from that of asyncio in name only
    Context = grpc.aio.ServicerContext[Any, Any]

Call = Callable[..., Any]


class Wrapper:
    """Wraps calls; unless it ``wraps_all``, health and reflection pass untouched.

    Every handler that it is given takes a stream: ``Admission``, innermost, makes it
    one.
    """

    wraps_all: ClassVar[bool] = False

    def wrap(self, handler: Handler, method: str) -> Handler:
        """Give the handler of a method, wrapped."""
        if method.startswith("/grpc.") and not self.wraps_all:
            return handler
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(
                self.stream(handler.stream_stream, method),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return grpc.stream_unary_rpc_method_handler(
            self.unary(handler.stream_unary, method),
            handler.request_deserializer,
            handler.response_serializer,
        )

    def unary(
        self, call: Call, method: str
    ) -> Callable[[Any, Context], Awaitable[Any]]:
        """Give what runs instead of a unary call."""
        raise NotImplementedError

    def stream(
        self, call: Call, method: str
    ) -> Callable[[Any, Context], AsyncIterator[Any]]:
        """Give what runs instead of a call whose answers are a stream."""
        raise NotImplementedError


def wrapped(handler: Handler, method: str, wrappers: Sequence[Wrapper]) -> Handler:
    """Give the handler of a method within wrappers, the first of them outermost."""
    for wrapper in reversed(wrappers):
        handler = wrapper.wrap(handler, method)
    return handler
