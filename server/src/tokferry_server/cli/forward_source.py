"""The batches of files on their way into a stream, and where each came from."""

import asyncio
import contextlib
import io
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from tokferry_server.cli.forward_marks import Marks
from tokferry_server.cli.inputs import UnusableInputError, open_input, read_documents
from tokferry_server.cli.paper import complain, shown
from tokferry_server.rpc import limits

MAX_BYTES = limits.CHUNK_BYTES - 64
"""What a batch may have beside the frame of its chunk."""

_BLOCK_BATCHES = 256
_BLOCK_BYTES = 2**20
_Result = TypeVar("_Result")
_Numbered = tuple[int, bytes]


class _Envelope(msgspec.Struct):
    event_type: Any = None
    events: list[msgspec.Raw] | None = None


_envelope = msgspec.json.Decoder(_Envelope)


@dataclass(frozen=True, slots=True)
class Sent:
    """One batch: its input, its number there, its bytes, why it cannot be sent."""

    marks: Marks
    number: int
    data: bytes
    problem: str = ""


@dataclass(slots=True)
class Batches:
    """Yields the batches that are still to do, until `stop` is set.

    ``refuse`` is told of those that are too large for any chunk.
    """

    inputs: Sequence[Marks]
    wrap_events: bool
    refuse: Callable[[Sent], None]
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    all_usable: bool = True
    bytes_read: int = 0
    """Where reading stands in all files together, packed as they are."""
    _under_way: dict[int, Sent] = field(default_factory=dict)
    _next: int = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Read one file after the other."""
        before = 0
        for marks in self.inputs:
            try:
                async for sent in self._file(marks, before):
                    if sent.problem:
                        self.refuse(sent)
                        continue
                    self._under_way[self._next] = sent
                    self._next += 1
                    yield sent.data
            except UnusableInputError as error:
                self.useless(marks, str(error))
            before += max(marks.saved.size, 0)

    def answered(self, first: int, number: int) -> list[Sent]:
        """Give the batches of an answered chunk."""
        return [self._under_way.pop(index) for index in range(first, first + number)]

    def useless(self, marks: Marks, problem: str) -> None:
        """Say that a file is of no use."""
        self.all_usable = False
        complain(f"{shown(marks.saved.name)}: {problem}")

    async def _file(self, marks: Marks, before: int) -> AsyncIterator[Sent]:
        with _opened(marks.saved.name) as file:
            documents = marks.to_do(read_documents(file))
            while not self.stop.is_set():
                block, error = await self._unless_stopped(lambda: _block(documents))
                if file.seekable():
                    self.bytes_read = before + os.lseek(file.fileno(), 0, os.SEEK_CUR)
                for number, document in block:
                    if self.stop.is_set():
                        return
                    yield self._sent(marks, number, document)
                if error is not None:
                    raise error
                if not block:
                    return

    def _sent(self, marks: Marks, number: int, document: bytes) -> Sent:
        if self.wrap_events:
            document = _wrapped(document)
        return Sent(marks, number, document, _problem(document))

    async def _unless_stopped(
        self, read: Callable[[], tuple[list[_Numbered], UnusableInputError | None]]
    ) -> tuple[list[_Numbered], UnusableInputError | None]:
        """Read, but do not wait for a terminal or a pipe once all is to stop."""
        reading = asyncio.ensure_future(_in_thread(read))
        stopping = asyncio.ensure_future(self.stop.wait())
        try:
            await asyncio.wait((reading, stopping), return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else ([], None)
        finally:
            reading.cancel()
            stopping.cancel()


@contextlib.contextmanager
def _opened(name: str) -> Iterator[io.BufferedReader]:
    if name != "-":
        with open_input(name) as file:
            yield file
        return
    # Not the interpreter's own object: it waits at its end for whoever reads there.
    yield open(0, "rb", closefd=False)  # noqa: SIM115  stays open as it was


def _block(
    documents: Iterator[_Numbered],
) -> tuple[list[_Numbered], UnusableInputError | None]:
    """Read some documents, and what ended the reading, if it was an error."""
    block: list[_Numbered] = []
    size = 0
    try:
        for one in documents:
            block.append(one)
            size += len(one[1])
            if len(block) >= _BLOCK_BATCHES or size >= _BLOCK_BYTES:
                break
    except UnusableInputError as error:
        return block, error
    return block, None


def _wrapped(document: bytes) -> bytes:
    """Make a batch of a single event; anything else stays as it is."""
    try:
        envelope = _envelope.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return document
    if envelope.events is None and envelope.event_type is not None:
        return b'{"events":[' + document + b"]}"
    return document


def _problem(document: bytes) -> str:
    """Say why a batch cannot be sent, if it cannot."""
    if len(document) > MAX_BYTES:
        return (
            f"the batch has {len(document):,} bytes; at most {MAX_BYTES:,} can be sent"
        )
    if document.count(b'"event_type"') <= limits.FORWARD_EVENTS:
        return ""
    try:
        events = len(_envelope.decode(document).events or ())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if events <= limits.FORWARD_EVENTS:
        return ""
    most = limits.FORWARD_EVENTS
    return f"the batch has {events:,} events; at most {most:,} can be sent"


async def _in_thread(work: Callable[[], _Result]) -> _Result:
    """Run in a thread that no one waits for if it never comes back."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_Result] = loop.create_future()

    def tell(result: _Result | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # there is one then

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  raised where it is awaited
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has gone meanwhile
            loop.call_soon_threadsafe(tell, result, failure)

    threading.Thread(target=run, name="tokferry-input", daemon=True).start()
    return await future
