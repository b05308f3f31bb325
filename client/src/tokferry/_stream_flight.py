"""Which chunks of a stream are without an answer, in a bounded window."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from tokferry._stream_cut import Load
from tokferry.v1 import ForwardStreamRequest


@dataclass(frozen=True, slots=True)
class _Sent:
    load: Load
    size: int


@dataclass(slots=True)
class Flight:
    """The chunks without an answer: those that are sent, and those that wait.

    A chunk keeps its sequence and its bytes until it is answered.
    """

    window_chunks: int
    window_bytes: int = 0
    is_open: bool = False
    _sequence: int = 0
    _bytes: int = 0
    _bytes_sent: int = 0
    _waiting: deque[int] = field(default_factory=deque)
    _sent: set[int] = field(default_factory=set)
    _chunks: dict[int, _Sent] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether everything is answered."""
        return not self._chunks

    @property
    def awaits_answers(self) -> bool:
        """Whether the server has something to answer."""
        return bool(self._sent)

    @property
    def has_room(self) -> bool:
        """Whether one more chunk may be read from the source."""
        return (
            self.is_open
            and len(self._chunks) < self.window_chunks
            and self._bytes < self.window_bytes
        )

    def opened(self, chunks: int, size: int) -> None:
        """Keep the window of a stream that the server has opened."""
        self.is_open = True
        self.window_chunks = min(self.window_chunks, chunks or self.window_chunks)
        self.window_bytes = size

    def closed(self) -> None:
        """Send nothing more on this stream."""
        self.is_open = False

    def broken(self) -> None:
        """Send every chunk without an answer again, on the next stream."""
        self.is_open = False
        self._sent.clear()
        self._bytes_sent = 0
        self._waiting = deque(sorted(self._chunks))

    def add(self, load: Load) -> None:
        """Take a chunk; it gets the next sequence."""
        self._sequence += 1
        load.chunk.sequence = self._sequence
        size = ForwardStreamRequest(chunk=load.chunk).ByteSize()
        self._chunks[self._sequence] = _Sent(load, size)
        self._waiting.append(self._sequence)
        self._bytes += size

    def next_request(self) -> ForwardStreamRequest | None:
        """Give what may be sent next, if the window has room for it."""
        if not (self.is_open and self._waiting):
            return None
        one = self._chunks[self._waiting[0]]
        full = len(self._sent) >= self.window_chunks
        if full or (self._sent and self._bytes_sent + one.size > self.window_bytes):
            return None
        self._sent.add(self._waiting.popleft())
        self._bytes_sent += one.size
        return ForwardStreamRequest(chunk=one.load.chunk)

    def answered(self, sequence: int) -> Load | None:
        """Give the chunk that is answered, once; None for one that is not awaited."""
        if sequence not in self._sent:
            return None
        self._sent.remove(sequence)
        one = self._chunks.pop(sequence)
        self._bytes -= one.size
        self._bytes_sent -= one.size
        return one.load
