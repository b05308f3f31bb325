"""Cuts a source of batches into chunks of a stream, a batch never in two."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tokferry._requests import JsonObject, encode
from tokferry.mparticle.v1 import Batch
from tokferry.v1 import Chunk

Item = Batch | JsonObject | bytes | str
"""One batch: a message, mParticle's JSON after decoding, or its text."""

MAX_EVENTS: Final = 1000
MAX_BYTES: Final = 1024 * 1024
_PER_CHUNK: Final = 32
"""The bytes of a message round its batches, at most."""
_PER_BATCH: Final = 5
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Load:
    """What one chunk carries: `first` is the index of its first batch in the source."""

    first: int
    batches: int
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class _Piece:
    """One batch, ready to travel; `alone` if it might blur the bounds of others."""

    data: Batch | bytes
    events: int
    size: int
    alone: bool = False


class Cutter:
    """Takes batches one by one and gives chunks.

    Batches are never divided: the id of an event may come from its place in the batch.
    """

    def __init__(self, *, events: int, size: int) -> None:
        self._limit_events = events
        self._limit_size = size - _PER_CHUNK
        self._next = 0
        self._pieces: list[_Piece] = []
        self._events = 0
        self._size = 0

    @property
    def is_empty(self) -> bool:
        """Whether no batch waits for others to fill its chunk."""
        return not self._pieces

    def add(self, item: Item) -> list[Load]:
        """Take the next batch; give the chunks that are complete by it.

        Empty text has an index and is passed over.

        Raises:
            TypeError: it is nothing that could be a batch.
            ValueError: it is too large for a chunk, not one batch, or has no JSON form.
        """
        if isinstance(item, (bytes, str)) and not item.strip():
            loads = self.flush()  # the indexes of a chunk's batches have no gap
            self._next += 1
            return loads
        piece = _piece(item, self._next, self._limit_size)
        loads = self.flush() if self._pieces and not self._fits(piece) else []
        self._pieces.append(piece)
        self._events += piece.events
        self._size += piece.size
        self._next += 1
        full = self._events >= self._limit_events or piece.alone
        return loads + (self.flush() if full else [])

    def flush(self) -> list[Load]:
        """Give what waits as a chunk, if there is anything."""
        if not self._pieces:
            return []
        pieces, self._pieces = self._pieces, []
        self._events = self._size = 0
        chunk = Chunk()
        if isinstance(pieces[0].data, Batch):
            chunk.batches.batches.extend(
                one.data for one in pieces if isinstance(one.data, Batch)
            )
        else:
            chunk.json = b"\n".join(
                one.data for one in pieces if isinstance(one.data, bytes)
            )
        return [Load(self._next - len(pieces), len(pieces), chunk)]

    def _fits(self, piece: _Piece) -> bool:
        return (
            not piece.alone
            and isinstance(piece.data, Batch) is isinstance(self._pieces[0].data, Batch)
            and self._events + piece.events <= self._limit_events
            and self._size + piece.size <= self._limit_size
        )


def items_of(source: object) -> Iterable[Any] | None:
    """Give what a source that does not wait yields; None for any other."""
    if isinstance(source, (Batch, Mapping)):
        return [source]
    if isinstance(source, str):
        source = source.encode()
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _lines(bytes(source))
    return source if isinstance(source, Iterable) else None


def _lines(text: bytes) -> Iterator[bytes]:
    for number, line in enumerate(io.BytesIO(text)):
        stripped = line.strip()
        if number == 0 and stripped.removeprefix(_BOM) == b"{":
            raise ValueError(
                "source: must be one batch a line; give a batch of several lines as an"
                " element of a list"
            )
        if stripped:
            yield stripped


def _piece(item: object, index: int, limit: int) -> _Piece:
    try:
        piece = _typed(item) if isinstance(item, Batch) else _json(item)
    except (TypeError, ValueError) as error:
        raise type(error)(f"batch {index} of the source: {error}") from None
    if piece.events > MAX_EVENTS:
        raise ValueError(
            f"batch {index} of the source: {piece.events} events; a chunk takes at most"
            f" {MAX_EVENTS}"
        )
    if piece.size > limit:
        raise ValueError(
            f"batch {index} of the source: {piece.size} bytes; a chunk takes at most"
            f" {limit}"
        )
    return piece


def _typed(batch: Batch) -> _Piece:
    return _Piece(batch, max(1, len(batch.events)), batch.ByteSize() + _PER_BATCH)


def _json(item: object) -> _Piece:
    if isinstance(item, Mapping):
        events = item.get("events")
        number = len(events) if isinstance(events, (list, tuple)) else 1
        data = encode(item)
        return _Piece(data, max(1, number), len(data) + 1)
    if isinstance(item, str):
        item = item.encode()
    if isinstance(item, (bytes, bytearray, memoryview)):
        return _raw(bytes(item))
    raise TypeError(f"{type(item).__name__} is no batch")


def _raw(text: bytes) -> _Piece:
    # Between the batches of a chunk stand newlines. Within JSON they are only layout:
    # in its strings they are escaped.
    data = text.strip().removeprefix(_BOM).strip()
    data = data.replace(b"\r", b" ").replace(b"\n", b" ")
    if data.startswith(b"["):
        raise ValueError("is an array: give its batches one by one")
    # Counted without reading the text: each event names its type once, some twice.
    events = max(1, data.count(b'"event_type"'))
    if events > MAX_EVENTS:
        events = _counted(data)
    alone = not (data.startswith(b"{") and data.endswith(b"}"))
    return _Piece(data, events, len(data) + 1, alone)


def _counted(data: bytes) -> int:
    """Count the events of a batch for certain."""
    try:
        return len(json.loads(data)["events"])
    except (ValueError, TypeError, LookupError, RecursionError):
        return 1
