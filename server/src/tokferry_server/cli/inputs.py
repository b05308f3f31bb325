"""Opens input files and cuts them into batches; memory is bounded, not input."""

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import IO, cast

import msgspec

from tokferry_server.cli.elements import array_elements
from tokferry_server.mparticle.model import Batch, Malformed
from tokferry_server.mparticle.read_json import read_json, split_documents

WHOLE = 8 * 2**20
"""Input up to this size is read in one piece; longer input is streamed."""

_LONGEST = 64 * 2**20
"""No single batch may be longer: mParticle's are up to 256 KiB."""

_CHUNK = 2**20
_GZIP = b"\x1f\x8b"
_json = msgspec.json.Decoder(msgspec.Raw)


class UnusableInputError(Exception):
    """A file that cannot be opened, or holds nothing that can be read."""


@contextmanager
def open_input(name: str) -> Iterator[io.BufferedReader]:
    """Open a file; ``-`` is the standard input.

    Raises:
        UnusableInputError: It cannot be opened.
    """
    if name == "-":
        yield cast("io.BufferedReader", sys.stdin.buffer)
        return
    try:
        file = open(name, "rb")  # noqa: PTH123, SIM115  closed below, not here
    except OSError as error:
        raise UnusableInputError(error.strerror or "cannot be opened") from None
    with file:
        yield file


def read_batches(
    file: io.BufferedReader, *, wrap_events: bool = False
) -> Iterator[Batch | Malformed]:
    """Yield the batches of one input, packed or not; layouts as ``read_json``.

    Raises:
        UnusableInputError: It cannot be read to its end.
    """
    for piece in _pieces(file):
        yield from read_json(piece, wrap_events=wrap_events)


def read_documents(file: io.BufferedReader) -> Iterator[bytes]:
    """Yield the bytes of the same batches, reading none of them.

    Raises:
        UnusableInputError: It cannot be read to its end.
    """
    for piece in _pieces(file):
        yield from split_documents(piece)


def _pieces(file: io.BufferedReader) -> Iterator[bytes]:
    try:
        yield from _documents(_unpacked(file))
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise UnusableInputError("is damaged gzip") from None
    except OSError as error:
        raise UnusableInputError(error.strerror or "cannot be read") from None


def _unpacked(file: io.BufferedReader) -> IO[bytes]:
    if file.peek(2)[:2] == _GZIP:
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    return file


def _documents(stream: IO[bytes]) -> Iterator[bytes]:
    """Cut by the layout, which the beginning shows."""
    head = _read(stream, WHOLE + 1)
    if len(head) <= WHOLE:
        yield head
        return
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    first, *others, _ = [*head.split(b"\n"), b""]
    if others and _is_container(first):
        yield from _lines(head, stream)
    elif head.startswith(b"["):
        chunks = iter(lambda: stream.read(_CHUNK), b"")
        try:
            yield from array_elements(chain([head], chunks), longest=_LONGEST)
        except ValueError as error:
            raise UnusableInputError(str(error)) from None
    elif any(_is_container(line) for line in others[:-1]):
        yield from _lines(head, stream)
    else:
        yield _bounded(head + _read(stream, _LONGEST))


def _read(stream: IO[bytes], size: int) -> bytes:
    """Read so many bytes, or all there are: a pipe gives less at a time."""
    parts = []
    while size > 0 and (part := stream.read(min(size, _CHUNK))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _lines(head: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    *whole, last = head.split(b"\n")
    yield from whole
    yield _bounded(last + stream.readline(_LONGEST))
    while line := stream.readline(_LONGEST):
        yield _bounded(line)


def _bounded(document: bytes) -> bytes:
    if len(document) >= _LONGEST:
        raise UnusableInputError(f"one batch is longer than {_LONGEST:,} bytes")
    return document


def _is_container(line: bytes) -> bool:
    if line[:1] not in (b"{", b"["):
        return False
    try:
        _json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
