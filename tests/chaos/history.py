"""What a run leaves behind: what was asked, answered, sent to TikTok and kept.

Like Jepsen's histories: each chunk is invoked, and is then ok, fail (surely not taken)
or unknown. The sandbox writes down each request for itself.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeVar

import msgspec

CALLS: Final = "calls.jsonl"
POSTS: Final = "posts.jsonl"
KEPT: Final = "kept.json"


class Invoke(msgspec.Struct, frozen=True, tag="invoke"):
    """A chunk with the events ``first`` … ``first + count - 1`` goes out."""

    stream: int
    sequence: int
    first: int
    count: int


class Answered(msgspec.Struct, frozen=True, array_like=True):
    """What the reply says of one event."""

    outcome: int
    event_id: str
    duplicate: bool


class Ok(msgspec.Struct, frozen=True, tag="ok"):
    """The chunk is answered; ``totals`` are the reply's sums by outcome."""

    stream: int
    sequence: int
    results: list[Answered]
    totals: dict[str, int]


class Fail(msgspec.Struct, frozen=True, tag="fail"):
    """The call was refused as a whole: nothing of the chunk was accepted."""

    stream: int
    sequence: int
    code: str


class Unknown(msgspec.Struct, frozen=True, tag="unknown"):
    """The stream broke before the chunk was answered."""

    stream: int
    sequence: int
    code: str


class End(msgspec.Struct, frozen=True, tag="end"):
    """A stream came to its orderly end, with the server's sums over it."""

    stream: int
    chunks: int
    totals: dict[str, int]


Call = Invoke | Ok | Fail | Unknown | End


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """One event of a request: its key, the number it carries, and its bytes' digest."""

    event: str
    event_id: str
    number: int
    digest: str


class Post(msgspec.Struct, frozen=True):
    """One request as the sandbox saw it; ``at`` in Unix seconds of the model."""

    at: float
    fault: str
    taken: bool
    events: list[Seen]


class Kept(msgspec.Struct, frozen=True):
    """What the outbox holds at the end."""

    pending: list[Seen]
    dead: list[Seen]


T = TypeVar("T")


class Log:
    """Appends records to a file, one a line."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        self._encoder = msgspec.json.Encoder()

    def write(self, record: msgspec.Struct) -> None:
        """Append one record."""
        self._file.write(self._encoder.encode(record) + b"\n")

    def flush(self) -> None:
        """Hand all to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Write what is buffered and close."""
        self._file.close()


def read_calls(folder: Path) -> Iterator[Call]:
    """Give the caller's side in order."""
    yield from _lines(folder / CALLS, msgspec.json.Decoder(Call))


def read_posts(folder: Path) -> Iterator[Post]:
    """Give the sandbox's side in order."""
    yield from _lines(folder / POSTS, msgspec.json.Decoder(Post))


def read_kept(folder: Path) -> Kept:
    """Give what the outbox held at the end."""
    return msgspec.json.decode((folder / KEPT).read_bytes(), type=Kept)


def _lines(path: Path, decoder: "msgspec.json.Decoder[T]") -> Iterator[T]:
    with path.open("rb") as file:
        for line in file:
            yield decoder.decode(line)
