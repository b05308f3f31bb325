"""HTTP/1.1 on one accepted connection, by h11: keep-alive, bounded, resettable."""

import asyncio
import socket
import struct
from dataclasses import dataclass

import h11

_CHUNK = 65_536
_MAX_HEAD = 16_384
_LINGER_NONE = struct.pack("ii", 1, 0)


class BodyTooLargeError(Exception):
    """The request's body is over the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The beginning of a request; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]


class Peer:
    """One connection, seen from the server."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)

    async def head(self) -> Head | None:
        """Wait for the next request; None when the caller has gone.

        Raises:
            h11.RemoteProtocolError: it is not HTTP/1.1.
            OSError: the connection broke.
        """
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        if self._http.our_state is not h11.IDLE:
            return None
        event = await self._next()
        if not isinstance(event, h11.Request):
            return None
        return Head(
            method=event.method.decode("ascii"),
            path=event.target.decode("ascii", "replace").partition("?")[0],
            headers={
                name.decode("ascii"): value.decode("latin-1")
                for name, value in event.headers
            },
        )

    async def body(self, limit: int) -> bytes:
        """Read the whole body.

        Raises:
            BodyTooLargeError: it is longer than ``limit`` bytes.
            h11.RemoteProtocolError, OSError: the connection broke.
        """
        if self._http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            self._writer.write(self._http.send(go_on))
        parts: list[bytes] = []
        size = 0
        while True:
            event = await self._next()
            if not isinstance(event, h11.Data):
                return b"".join(parts)
            size += len(event.data)
            if size > limit:
                raise BodyTooLargeError
            parts.append(bytes(event.data))

    async def answer(
        self,
        status: int,
        body: bytes,
        *,
        content_type: str = "application/json",
        retry_after: int | None = None,
    ) -> None:
        """Send a whole answer."""
        self._writer.write(self._head(status, len(body), content_type, retry_after))
        self._writer.write(self._http.send(h11.Data(data=body)) or b"")
        self._writer.write(self._http.send(h11.EndOfMessage()) or b"")
        await self._writer.drain()

    async def answer_half(self, status: int, body: bytes) -> None:
        """Send an answer that breaks off in the middle of its body."""
        self._writer.write(self._head(status, len(body), "application/json", None))
        self._writer.write(body[: len(body) // 2])
        await self._writer.drain()
        self._writer.close()

    def reset(self) -> None:
        """Break the connection, so that the caller sees a reset."""
        own_socket = self._writer.get_extra_info("socket")
        own_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        self._writer.transport.abort()

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()

    def _head(
        self, status: int, size: int, content_type: str, retry_after: int | None
    ) -> bytes:
        headers = [("content-type", content_type), ("content-length", str(size))]
        if retry_after is not None:
            headers.append(("retry-after", str(retry_after)))
        head = h11.Response(status_code=status, headers=headers)
        return self._http.send(head) or b""

    async def _next(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            self._http.receive_data(await self._reader.read(_CHUNK))
