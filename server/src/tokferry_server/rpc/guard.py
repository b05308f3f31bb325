"""The outermost interceptor: every call ends in a status that tells no secrets."""

import asyncio
import logging
import secrets
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from tokferry.v1 import ErrorReason
from tokferry_server.rpc.errors import CallError, abort

_log = logging.getLogger(__name__)

Handler = grpc.RpcMethodHandler[Any, Any]
Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Handler]]
Context = grpc.aio.ServicerContext[Any, Any]


class Guard(grpc.aio.ServerInterceptor):
    """Turns errors into rich statuses, and refuses new calls while draining.

    An unforeseen exception becomes INTERNAL with an id: its own text could hold a
    caller's data and goes nowhere; the log has its type and where it was raised.
    """

    def __init__(self) -> None:
        self.draining = False

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Wrap the handler of the call."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return handler
        if handler_call_details.method.startswith("/grpc."):  # health, reflection
            return handler
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                self._unary(handler.unary_unary),
                handler.request_deserializer,
                handler.response_serializer,
            )
        if handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(
                self._stream(handler.stream_stream),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return handler

    def _unary(self, call: Callable[..., Any]) -> Callable[..., Any]:
        async def guarded(request: Any, context: Context) -> Any:
            try:
                self._check_open()
                return await call(request, context)
            except BaseException as error:  # noqa: BLE001  # none may get past here
                await _end(context, error)

        return guarded

    def _stream(self, call: Callable[..., Any]) -> Callable[..., Any]:
        async def guarded(requests: Any, context: Context) -> AsyncIterator[Any]:
            try:
                self._check_open()
                async for response in call(requests, context):
                    yield response
            except BaseException as error:  # noqa: BLE001  # none may get past here
                await _end(context, error)

        return guarded

    def _check_open(self) -> None:
        if self.draining:
            raise CallError(
                code=grpc.StatusCode.UNAVAILABLE,
                reason=ErrorReason.ERROR_REASON_DRAINING,
                message="the server is stopping; nothing was accepted, try again",
                retry_after=1.0,
            )


async def _end(context: Context, error: BaseException) -> None:
    if isinstance(error, CallError):
        await abort(context, error)
    if isinstance(error, grpc.aio.AbortError | GeneratorExit):
        raise error
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
        raise error  # the caller went away
    # A cancellation from inside would leave the caller waiting for its deadline.
    incident = secrets.token_hex(8)
    _log.error(
        "call failed: %s, incident %s\n%s",
        type(error).__name__,
        incident,
        "".join(traceback.format_tb(error.__traceback__)),
    )
    await abort(
        context,
        CallError(
            code=grpc.StatusCode.INTERNAL,
            reason=ErrorReason.ERROR_REASON_INTERNAL,
            message=f"internal error, incident {incident}",
            metadata={"id": incident},
        ),
    )
