"""HTTP/2 frames made by hand, right or wrong: https://www.rfc-editor.org/rfc/rfc9113"""

import asyncio
import struct
from collections.abc import Iterable, Iterator

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
END_STREAM, END_HEADERS = 1, 4

Fields = Iterable[tuple[str, str]]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Give one frame."""
    head = struct.pack(">I", len(payload))[1:] + bytes((kind, flags))
    return head + struct.pack(">I", stream) + payload


def opened() -> bytes:
    """Give what a client begins with."""
    return PREFACE + frame(SETTINGS, 0, 0)


def call_headers(method: str, *more: tuple[str, str]) -> list[tuple[str, str]]:
    """Give the header fields of a gRPC call."""
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", method),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *more,
    ]


def encoded(fields: Fields) -> bytes:
    """Give a header block that refers to nothing before it.

    Bytes that are not UTF-8 are written as Python's own lone surrogates.
    """
    raw = [(_raw(name), _raw(value)) for name, value in fields]
    return bytes(hpack.Encoder().encode(raw))


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def message(
    body: bytes, *, compressed: bool = False, length: int | None = None
) -> bytes:
    """Give a gRPC message with its prefix, which may lie about the length."""
    said = len(body) if length is None else length
    return struct.pack(">BI", int(compressed), said) + body


def call(stream: int, fields: Fields, body: bytes) -> bytes:
    """Give a whole call."""
    pieces = [body[at : at + 16384] for at in range(0, len(body), 16384)] or [b""]
    last = len(pieces) - 1
    return frame(HEADERS, END_HEADERS, stream, encoded(fields)) + b"".join(
        frame(DATA, END_STREAM if at == last else 0, stream, piece)
        for at, piece in enumerate(pieces)
    )


def frames_in(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Give kind, flags, stream and payload of each whole frame."""
    at = 0
    while at + 9 <= len(data):
        size = int.from_bytes(data[at : at + 3])
        if at + 9 + size > len(data):
            return
        kind, flags = data[at + 3], data[at + 4]
        stream = int.from_bytes(data[at + 5 : at + 9]) & 0x7FFFFFFF
        yield kind, flags, stream, data[at + 9 : at + 9 + size]
        at += 9 + size


def statuses(data: bytes) -> list[int]:
    """Give the gRPC status of each answer that has one, in order."""
    decoder = hpack.Decoder()
    found = []
    for kind, _, _, payload in frames_in(data):
        if kind == HEADERS:
            fields = {str(name): str(value) for name, value in decoder.decode(payload)}
            if "grpc-status" in fields:
                found.append(int(fields["grpc-status"]))
    return found


async def said(
    port: int, data: bytes, seconds: float, answers: int | None = None
) -> tuple[bytes, bool]:
    """Send bytes; give what came back in time, and whether the server closed.

    With ``answers`` it is enough that as many calls have got a status.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = b""
    closed = False
    try:
        async with asyncio.timeout(seconds):
            writer.write(data)
            while answers is None or len(statuses(found)) < answers:
                more = await reader.read(65536)
                if not more:
                    closed = True
                    break
                found += more
    except TimeoutError:
        pass
    except ConnectionError:
        closed = True
    finally:
        writer.transport.abort()
    return found, closed
