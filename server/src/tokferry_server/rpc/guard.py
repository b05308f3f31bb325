"""Around every call: it ends in a status that tells no secrets."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc

from tokferry.v1 import ErrorReason
from tokferry_server.rpc.errors import CallError, abort
from tokferry_server.rpc.turns import Turn, Turns, turn
from tokferry_server.telemetry.frames import frames_of
from tokferry_server.telemetry.wrapping import Call, Wrapper

_log = logging.getLogger(__name__)

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]


class Guard(Wrapper):
    """Turns errors into rich statuses, and refuses new calls while draining.

    Health can be asked for all the same: it says then that the server is stopping.
    Each call gives its turn back when it ends; streams have none.

    An unforeseen exception becomes INTERNAL with an id: its own text could hold a
    caller's data and goes nowhere; the log has its type and where it was raised.
    """

    wraps_all = True

    def __init__(self, draining: asyncio.Event, turns: Turns | None = None) -> None:
        self._draining = draining
        self._turns = turns

    def unary(
        self, call: Call, method: str
    ) -> Callable[[Any, Context], Awaitable[Any]]:
        """Give the call with its errors turned into statuses."""

        async def guarded(request: Any, context: Context) -> Any:
            mine = Turn(self._turns)
            turn.set(mine)
            try:
                self._check_open(method)
                return await call(request, context)
            except BaseException as error:
                await _end(context, error)
                raise
            finally:
                mine.give_back()

        return guarded

    def stream(
        self, call: Call, method: str
    ) -> Callable[[Any, Context], AsyncIterator[Any]]:
        """Give the stream with its errors turned into statuses."""

        async def guarded(requests: Any, context: Context) -> AsyncIterator[Any]:
            Turn(self._turns).give_back()  # it may go on for hours
            try:
                self._check_open(method)
                async for response in call(requests, context):
                    yield response
            except BaseException as error:
                await _end(context, error)
                raise

        return guarded

    def _check_open(self, method: str) -> None:
        if self._draining.is_set() and not method.startswith("/grpc."):
            raise CallError(
                code=grpc.StatusCode.UNAVAILABLE,
                reason=ErrorReason.ERROR_REASON_DRAINING,
                message="the server is stopping; nothing was accepted, try again",
                retry_after=1.0,
            )


async def _end(context: Context, error: BaseException) -> None:
    """End a call with a status; return if it has one, or nobody is there to see it.

    To raise the error here would tie it to this frame, and with it the call and what
    gRPC holds for it, until the garbage is collected.
    """
    if isinstance(error, CallError):
        await abort(context, error)
    if isinstance(error, grpc.aio.AbortError | GeneratorExit):
        return
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
        return  # the caller went away
    # A cancellation from inside would leave the caller waiting for its deadline.
    incident = secrets.token_hex(8)
    frames = frames_of(error)
    _log.error(
        "call failed: %s at %s, incident %s",
        type(error).__name__,
        frames[-1] if frames else "an unknown place",
        incident,
        extra={"incident": incident, "stack": frames},
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
