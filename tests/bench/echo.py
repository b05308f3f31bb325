"""What a call costs without any work: bytes come back as they are."""

from collections.abc import AsyncIterator
from typing import Any, Final

import grpc

from tokferry_server.rpc.server import Server

UNARY: Final = "/bench.Echo/Unary"
STREAM: Final = "/bench.Echo/Stream"
ANSWER: Final = b"\x12\x02\x08\x01"
_SERVICE: Final = UNARY.split("/")[1]


def add_echo() -> None:
    """Give every server of this process the echo as one more service."""
    plain = Server.__init__
    unary, stream = (path.rpartition("/")[2] for path in (UNARY, STREAM))
    handlers: dict[str, Any] = {
        unary: grpc.unary_unary_rpc_method_handler(_unary, bytes),
        stream: grpc.stream_stream_rpc_method_handler(_stream, bytes),
    }

    def with_echo(server: Server, *arguments: Any, **settings: Any) -> None:
        plain(server, *arguments, **settings)
        inner = server._server
        inner.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(_SERVICE, handlers),)
        )
        inner.add_registered_method_handlers(_SERVICE, handlers)

    Server.__init__ = with_echo  # type: ignore[method-assign,assignment]


async def _unary(request: bytes, _context: Any) -> bytes:
    return request


async def _stream(
    requests: AsyncIterator[bytes], _context: Any
) -> AsyncIterator[bytes]:
    """Answer each message shortly, as an acknowledgement would."""
    async for _ in requests:
        yield ANSWER
