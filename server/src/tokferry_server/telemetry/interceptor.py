"""What interceptors of this service have in common: wrapping a call's handler."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar

import grpc

if TYPE_CHECKING:
    Handler = Any  # grpc's stub files tell it from that of asyncio in name only
    Context = grpc.aio.ServicerContext[Any, Any]

Call = Callable[..., Any]


class WrappingInterceptor(grpc.aio.ServerInterceptor):
    """Wraps calls; unless it ``wraps_all``, health and reflection pass untouched.

    Every handler that it is given takes a stream: ``Admission``, innermost, makes it
    one.
    """

    wraps_all: ClassVar[bool] = False

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler of the call."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        if handler_call_details.method.startswith("/grpc.") and not self.wraps_all:
            return handler
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(
                self.stream(handler.stream_stream, handler_call_details),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return grpc.stream_unary_rpc_method_handler(
            self.unary(handler.stream_unary, handler_call_details),
            handler.request_deserializer,
            handler.response_serializer,
        )

    def unary(
        self, call: Call, details: grpc.HandlerCallDetails
    ) -> Callable[[Any, Context], Awaitable[Any]]:
        """Give what runs instead of a unary call."""
        raise NotImplementedError

    def stream(
        self, call: Call, details: grpc.HandlerCallDetails
    ) -> Callable[[Any, Context], AsyncIterator[Any]]:
        """Give what runs instead of a call whose answers are a stream."""
        raise NotImplementedError
