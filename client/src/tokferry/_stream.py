"""What both clients' streams share: answers, patience, the sums; no waiting."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import grpc

from tokferry._errors import DeadlineExceeded, ErrorDetails, TokferryError, error_from
from tokferry._stream_cut import MAX_BYTES, MAX_EVENTS, Cutter, Load
from tokferry._stream_flight import Flight
from tokferry.v1 import (
    Chunk,
    ChunkResult,
    DeliveryMode,
    EventResult,
    ForwardStreamRequest,
    ForwardStreamResponse,
    ForwardTotals,
    StreamOptions,
)

DEFAULT_CHUNK_EVENTS: Final = 100
DEFAULT_WINDOW_CHUNKS: Final = 64
DEFAULT_PATIENCE: Final = 300.0
LINGER_SECONDS: Final = 0.2
"""How long a batch waits for others to fill its chunk."""
LOOK_SECONDS: Final = 10.0
"""How often a waiting stream asks itself whether it has waited for too long."""

_ANSWER_SECONDS: Final = 60.0
"""How long a server may take for one chunk, beside the caller's patience."""
_FIRST_BACKOFF: Final = 0.2
_LONGEST_BACKOFF: Final = 5.0
_BREAKS: Final = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
_BREAKS_UNLESS_SAID: Final = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkAnswer:
    """What became of one chunk of a stream.

    `first` is the index, in the source, of the first of its `batches`. `results` holds
    one result for each event, in input order; their `batch` counts from `first`.
    """

    sequence: int
    first: int
    batches: int
    results: Sequence[EventResult]
    totals: ForwardTotals

    def source_index(self, result: EventResult) -> int:
        """Give the index, in the source, of the batch that a result is about."""
        return self.first + result.batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a stream is run. Sizes in bytes, patience in seconds."""

    options: StreamOptions
    chunk_events: int = DEFAULT_CHUNK_EVENTS
    chunk_bytes: int = MAX_BYTES
    window_chunks: int = DEFAULT_WINDOW_CHUNKS
    patience: float = DEFAULT_PATIENCE

    def __post_init__(self) -> None:
        """Refuse limits that no server takes."""
        for name, value, most in (
            ("chunk_events", self.chunk_events, MAX_EVENTS),
            ("chunk_bytes", self.chunk_bytes, MAX_BYTES),
            ("window_chunks", self.window_chunks, 2**31),
        ):
            if not 1 <= value <= most:
                raise ValueError(f"{name}: must be from 1 to {most}, not {value}")
        if not self.patience > 0:
            raise ValueError(f"patience: must be above 0 seconds: {self.patience!r}")


class Stream:
    """The state of one bulk delivery over all of its streams, without any waiting."""

    def __init__(self, plan: Plan) -> None:
        self.options = ForwardStreamRequest(options=plan.options)
        self.flight = Flight(window_chunks=plan.window_chunks)
        self.cutter = Cutter(events=plan.chunk_events, size=plan.chunk_bytes)
        self.totals = ForwardTotals()
        self.mode = DeliveryMode.DELIVERY_MODE_UNSPECIFIED
        self.ended = False
        """Whether the source has nothing more to give."""
        self.failure: Exception | None = None
        """What the source raised, if anything."""
        self._patience = plan.patience
        self._window_chunks = plan.window_chunks
        self._progress = time.monotonic()
        self._failures = 0
        self._failing_since: float | None = None

    @property
    def is_done(self) -> bool:
        """Whether the source has ended and all of it is answered."""
        return self.ended and self.flight.is_empty

    def begin(self) -> None:
        """Begin a new stream."""
        self.flight.broken()
        self.flight.window_chunks = self._window_chunks
        self._progress = time.monotonic()

    def end(self, failure: Exception | None = None) -> None:
        """Note that the source has ended, by an error of its own or not."""
        self.add(self.cutter.flush())
        self.ended, self.failure = True, failure

    def add(self, loads: Sequence[Load]) -> None:
        """Take chunks into flight."""
        if loads and not self.flight.awaits_answers:
            self._progress = time.monotonic()
        for load in loads:
            self.flight.add(load)

    def take(self, response: ForwardStreamResponse) -> ChunkAnswer | None:
        """Take a message of the server; give the caller's answer, if it is one."""
        match response.WhichOneof("response"):
            case "opened":
                self._opened(response)
            case "draining":
                self.flight.closed()
            case "chunk":
                return self._answered(response.chunk)
        return None

    def ended_with(self, error: TokferryError | None) -> float | None:
        """Say after how many seconds to open a new stream; None: all is done.

        Raises:
            TokferryError: a new stream is of no use, or there have been enough.
        """
        if self.is_done:
            return None
        if error is None:
            # A proxy may do so; a server answers first what it has read.
            text = "the stream ended before every chunk was answered"
            error = error_from(grpc.StatusCode.UNAVAILABLE, text, None)
        if not _is_break(error):
            raise error
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        limit = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2**self._failures)
        delay = (error.retry_after or 0.0) + random.uniform(0, limit)  # noqa: S311
        if now + delay - self._failing_since > self._patience:
            error.add_note(f"no chunk was answered for {self._patience:g} s of trying")
            raise error
        self._failures = min(self._failures + 1, 10)
        return delay

    def check_progress(self) -> None:
        """Make sure that the server still answers.

        Raises:
            DeadlineExceeded: it has not for too long.
        """
        idle = self.flight.is_open and not self.flight.awaits_answers
        if idle and not self.is_done:
            return
        limit = self._patience + _ANSWER_SECONDS
        if time.monotonic() - self._progress > limit:
            raise DeadlineExceeded(
                ErrorDetails(
                    code=grpc.StatusCode.DEADLINE_EXCEEDED,
                    message=f"the server has answered no chunk for {limit:g} s",
                )
            )

    def _opened(self, response: ForwardStreamResponse) -> None:
        opened = response.opened
        self.mode = opened.mode
        # Answers keep their meaning, even if a later stream meets other settings.
        self.options.options.mode = opened.mode
        self.flight.opened(opened.window_chunks, opened.window_bytes or MAX_BYTES)

    def _answered(self, result: ChunkResult) -> ChunkAnswer | None:
        load = self.flight.answered(result.sequence)
        if load is None:
            return None
        self._progress = time.monotonic()
        self._failures, self._failing_since = 0, None
        if _is_blurred(load, result):
            self.add(_one_by_one(load))
            return None
        self.totals = _sum(self.totals, result.totals)
        return ChunkAnswer(
            sequence=result.sequence,
            first=load.first,
            batches=load.batches,
            results=result.results,
            totals=result.totals,
        )


def _is_break(error: TokferryError) -> bool:
    """Say whether it was the connection, so that a new stream may go on."""
    # gRPC itself ends calls with these when a connection breaks in mid-message.
    unsaid = error.code in _BREAKS_UNLESS_SAID and not error.reason
    return error.code in _BREAKS or unsaid


def _is_blurred(load: Load, result: ChunkResult) -> bool:
    """Say whether several lines may have been taken for one unreadable batch."""
    return (
        load.batches > 1
        and load.chunk.WhichOneof("input") == "json"
        and len(result.results) == 1
        and not result.results[0].HasField("event")
    )


def _one_by_one(load: Load) -> list[Load]:
    lines = load.chunk.json.split(b"\n")
    return [
        Load(load.first + index, 1, Chunk(json=line))
        for index, line in enumerate(lines)
    ]


def _sum(one: ForwardTotals, other: ForwardTotals) -> ForwardTotals:
    names = ForwardTotals.DESCRIPTOR.fields_by_name
    return ForwardTotals(
        **{name: getattr(one, name) + getattr(other, name) for name in names}
    )
