"""Right around every call: who calls is known before a body is read or parsed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import grpc

from tokferry.v1 import ErrorReason
from tokferry_server.rpc.access import Access
from tokferry_server.rpc.body_memory import BodyMemory, overloaded
from tokferry_server.rpc.caller import ANYONE, Caller, calling
from tokferry_server.rpc.errors import CallError, Violation, invalid
from tokferry_server.rpc.quota import Quota
from tokferry_server.rpc.rights import CLOSED, RULES, Rule
from tokferry_server.telemetry.wrapping import Wrapper

if TYPE_CHECKING:
    Handler = Any  # the type that stubs give it is that of grpc without asyncio
    Context = grpc.aio.ServicerContext[Any, Any]

_Message = TypeVar("_Message")

OPEN_STREAMS: Final = 16
"""How many streams those who need no token may have open, all together."""
MOST_STREAMS: Final = 256
"""How many streams there may be: one that nobody reads takes half a megabyte."""


class Admission(Wrapper):
    """Lets calls in: knows the caller, keeps to quotas, bounds memory, then parses.

    gRPC reads and parses the message of a unary call by itself before the handler is
    called, and shows the text of a parser's error to the caller. Every call is
    therefore given to it as one that takes a stream of bytes.
    """

    def __init__(self, access: Access | None, memory: BodyMemory) -> None:
        self._access = access
        self._memory = memory
        self._open = Quota("anyone", streams=OPEN_STREAMS)
        self._streams = 0

    def wrap(self, handler: Handler, method: str) -> Handler:
        """Give the handler of a method as one that takes a stream of bytes."""
        rule = RULES.get(method, CLOSED)
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(
                self._stream(handler, rule), None, _serializer(handler)
            )
        return grpc.stream_unary_rpc_method_handler(
            self._unary(handler, rule), None, handler.response_serializer
        )

    def _unary(self, handler: Handler, rule: Rule) -> Callable[..., Awaitable[Any]]:
        parse, call = handler.request_deserializer, handler.unary_unary

        async def admitted(_: AsyncIterator[bytes], context: Context) -> Any:
            caller = self._admit(rule, context)
            caller.quota.check()
            async with self._memory.read(context.read, context.peer) as body:
                request = _parsed(parse, _sent(body.take()))
                caller.check_connection(rule.connection(request))
                response = await call(request, context)
            # Those that are ready at the same time are written one after the other,
            # once all are made: both by turns take more than the processor's caches.
            await asyncio.sleep(0)
            return response

        return admitted

    def _stream(
        self, handler: Handler, rule: Rule
    ) -> Callable[..., AsyncIterator[Any]]:
        async def admitted(
            _: AsyncIterator[bytes], context: Context
        ) -> AsyncIterator[Any]:
            caller = self._admit(rule, context)
            with self._counted(caller, rule):
                self._memory.check()
                requests = _Requests(handler, context, caller, rule)
                if handler.request_streaming:
                    responses = handler.stream_stream(requests, context)
                else:
                    request = await anext(requests, None)
                    responses = handler.unary_stream(_sent(request), context)
                if isawaitable(responses):  # it writes them by itself
                    await responses
                    return
                async for response in responses:
                    yield response

        return admitted

    def _admit(self, rule: Rule, context: Context) -> Caller:
        if self._access is None or rule.for_all:
            return ANYONE
        metadata = context.invocation_metadata() or ()
        caller = self._access.caller(metadata, context.auth_context())
        caller.check_right(rule.rights)
        calling.set(caller)
        return caller

    @contextmanager
    def _counted(self, caller: Caller, rule: Rule) -> Iterator[None]:
        quota = self._open if rule.for_all else caller.quota
        quota.check()
        if self._streams >= MOST_STREAMS:
            raise overloaded("the server has too many streams open")
        self._streams += 1
        try:
            with quota.stream():
                yield
        finally:
            self._streams -= 1


class _Requests:
    """The messages of a stream, as the handler asks for them.

    Not a generator: that would hold the last one until the next is asked for, on each
    stream.
    """

    def __init__(
        self, handler: Handler, context: Context, caller: Caller, rule: Rule
    ) -> None:
        self._parse = handler.request_deserializer
        self._context = context
        self._caller = caller
        self._rule = rule
        self._is_first = True

    def __aiter__(self) -> _Requests:
        return self

    async def __anext__(self) -> Any:
        body = await self._context.read()
        if body is grpc.aio.EOF:
            raise StopAsyncIteration
        request = _parsed(self._parse, body)
        if self._is_first:
            self._caller.check_connection(self._rule.connection(request))
            self._is_first = False
        return request


def _serializer(handler: Handler) -> Callable[[Any], bytes]:
    """Give what writes a response; one that is bytes already was written sooner."""
    serialize: Callable[[Any], bytes] = handler.response_serializer

    def written(response: Any) -> bytes:
        return response if isinstance(response, bytes) else serialize(response)

    return written


def _parsed(parse: Callable[[bytes], Any], body: bytes) -> Any:
    """Give the message; what the parser says of other bytes is not shown."""
    try:
        return parse(body)
    except Exception:  # noqa: BLE001  parsers raise what they like
        raise _unreadable("is not the message that this call takes") from None


def _sent(request: _Message | None) -> _Message:
    if request is None:
        raise _unreadable("a message must be sent")
    return request


def _unreadable(text: str) -> CallError:
    return invalid(
        ErrorReason.ERROR_REASON_UNREADABLE_INPUT, [Violation("request", text)]
    )
