"""What a call costs without any work: bytes come back as they are."""

from collections.abc import AsyncIterator
from typing import Any, Final

import grpc

from tokferry_server.rpc.server import Server

UNARY: Final = "/bench.Echo/Unary"
STREAM: Final = "/bench.Echo/Stream"
ANSWER: Final = b"\x12\x02\x08\x01"


def add_echo() -> None:
    """Give every server of this process the echo as one more service."""
    plain = Server.__init__

    def with_echo(server: Server, *arguments: Any, **settings: Any) -> None:
        plain(server, *arguments, **settings)
        server._server.add_generic_rpc_handlers((_handler(),))

    Server.__init__ = with_echo  # type: ignore[method-assign,assignment]


def _handler() -> grpc.GenericRpcHandler:
    unary, stream = (path.rpartition("/")[2] for path in (UNARY, STREAM))
    return grpc.method_handlers_generic_handler(
        UNARY.split("/")[1],
        {
            unary: grpc.unary_unary_rpc_method_handler(_unary, bytes),
            stream: grpc.stream_stream_rpc_method_handler(_stream, bytes),
        },
    )


async def _unary(request: bytes, _context: Any) -> bytes:
    return request


async def _stream(
    requests: AsyncIterator[bytes], _context: Any
) -> AsyncIterator[bytes]:
    """Answer each message shortly, as an acknowledgement would."""
    async for _ in requests:
        yield ANSWER
