"""What interceptors of this service have in common: wrapping a call's handler."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]
    Context = grpc.aio.ServicerContext[Any, Any]

Call = Callable[..., Any]


class WrappingInterceptor(grpc.aio.ServerInterceptor):
    """Wraps the service's own calls; health and reflection pass untouched."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler of the call."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith("/grpc."):
            return handler
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                self.unary(handler.unary_unary, handler_call_details),
                handler.request_deserializer,
                handler.response_serializer,
            )
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(
                self.stream(handler.unary_stream, handler_call_details),
                handler.request_deserializer,
                handler.response_serializer,
            )
        if handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(
                self.stream(handler.stream_stream, handler_call_details),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return handler

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
