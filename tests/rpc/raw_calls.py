"""Calls any method with any bytes and metadata, and gives status and details."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from tokferry._errors import error_from

Metadata = Sequence[tuple[str, str | bytes]]


@dataclass(frozen=True)
class Ended:
    """How a call ended: status, our reason, all trailing metadata, first answer."""

    code: grpc.StatusCode
    reason: str = ""
    message: str = ""
    trailers: tuple[tuple[str, str | bytes], ...] = ()
    retry_after: float | None = None
    answer: bytes | None = None


def path(method: MethodDescriptor) -> str:
    """Give the method as HTTP/2 has it."""
    return f"/{method.containing_service.full_name}/{method.name}"


def methods(*services: ServiceDescriptor) -> Iterator[MethodDescriptor]:
    """Give every method of the services."""
    for service in services:
        yield from service.methods


def naming(method: MethodDescriptor, connection: str) -> bytes:
    """Give a request of the method that names a connection, wherever it does so."""
    request: Any = GetMessageClass(method.input_type)()
    holder = request.options if hasattr(request, "options") else request
    if hasattr(holder, "connection"):
        holder.connection = connection
    return bytes(request.SerializeToString())


@asynccontextmanager
async def channel_to(
    target: str, credentials: grpc.ChannelCredentials | None = None
) -> AsyncIterator[grpc.aio.Channel]:
    """Give a channel with a connection of its own and without retries."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    if credentials is None:
        channel = grpc.aio.insecure_channel(target, options=options)
    else:
        channel = grpc.aio.secure_channel(target, credentials, options=options)
    async with channel:
        yield channel


async def ended(
    channel: grpc.aio.Channel,
    method: str,
    body: bytes,
    metadata: Metadata = (),
    seconds: float = 10,
) -> Ended:
    """Make the call; to HTTP/2 every kind of call with one message looks alike.

    A client's stream would say INTERNAL by itself when the server ends the call first.
    """
    given: Any = body
    call: Any = channel.unary_stream(method)(
        given, metadata=tuple(metadata), timeout=seconds
    )
    answer = None
    try:
        async for one in call:
            answer = one if answer is None else answer
    except grpc.aio.AioRpcError as error:
        trailers = tuple(error.trailing_metadata())
        details = error_from(error.code(), error.details(), trailers).details
        return Ended(
            error.code(),
            details.reason,
            details.message,
            trailers,
            details.retry_after,
        )
    return Ended(await call.code(), answer=answer)
