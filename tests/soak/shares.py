"""Judges a long history in shares of its events, so that memory stays bounded."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from chaos.checker import Findings, judge
from chaos.history import (
    CALLS,
    POSTS,
    Call,
    Fail,
    Invoke,
    Kept,
    Log,
    Ok,
    Post,
    Seen,
    Unknown,
    read_calls,
    read_kept,
    read_posts,
)

SHARE: Final = 100_000
"""How many events are judged at a time; no chunk has events of two shares."""


@dataclass(slots=True)
class Sums:
    """What all shares came to; of the sets only their sizes."""

    acked: int = 0
    taken: int = 0
    dead: int = 0
    pending: int = 0
    copies: int = 0
    lost: int = 0
    changed: int = 0
    counted_twice: int = 0
    requests: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def add(self, found: Findings) -> None:
        """Add one share's."""
        for name in ("acked", "taken", "dead", "pending"):
            setattr(self, name, getattr(self, name) + len(getattr(found, name)))
        self.copies += found.copies
        self.lost += len(found.lost)
        self.changed += len(found.changed)
        self.counted_twice += len(found.counted_twice)
        self.problems += found.problems


def check(folder: Path, share: int = SHARE) -> Sums:
    """Judge the history in a folder as ``chaos.checker`` does, share by share.

    It writes the shares' own histories beside it, and removes each once it is judged.
    """
    sums = Sums()
    kept = _by_share(read_kept(folder), share)
    parts = _Parts(folder, share)
    with contextlib.closing(parts):
        for call in read_calls(folder):
            parts.call(call)
        for post in read_posts(folder):
            sums.requests += 1
            sums.faults[post.fault] += 1
            parts.post(post)
    for number in sorted(parts.numbers | kept.keys()):
        part = parts.folder(number)
        some = kept.get(number, Kept([], []))
        sums.add(judge(_calls(part), _posts(part), some))
        for file in part.glob("*"):
            file.unlink()
        part.rmdir()
    return sums


class _Parts:
    """Writes each record to the share of its events."""

    def __init__(self, folder: Path, share: int) -> None:
        self._folder = folder
        self._share = share
        self._logs: dict[tuple[int, str], Log] = {}
        self._open: dict[tuple[int, int], int] = {}
        self.numbers: set[int] = set()

    def folder(self, number: int) -> Path:
        """Give the folder of a share."""
        found = self._folder / f"share-{number}"
        found.mkdir(exist_ok=True)
        return found

    def call(self, call: msgspec.Struct) -> None:
        """Sort in a record of the caller's side; what answers nothing is a share -1."""
        match call:
            case Invoke():
                number = call.first // self._share
                self._open[call.stream, call.sequence] = number
            case Ok() | Fail() | Unknown():
                number = self._open.pop((call.stream, call.sequence), -1)
            case _:
                raise ValueError("sums over a stream cannot be judged in shares")
        self._write(number, CALLS, call)

    def post(self, post: Post) -> None:
        """Sort in a request, in as many shares as its events are of."""
        events: dict[int, list[Seen]] = {}
        for one in post.events:
            events.setdefault(one.number // self._share, []).append(one)
        for number, some in events.items():
            self._write(number, POSTS, msgspec.structs.replace(post, events=some))

    def _write(self, number: int, name: str, record: msgspec.Struct) -> None:
        if (number, name) not in self._logs:
            self._logs[number, name] = Log(self.folder(number) / name)
            self.numbers.add(number)
        self._logs[number, name].write(record)

    def close(self) -> None:
        """Write out what is buffered."""
        for log in self._logs.values():
            log.close()


def _by_share(kept: Kept, share: int) -> dict[int, Kept]:
    found: dict[int, Kept] = {}
    for name in ("pending", "dead"):
        for one in getattr(kept, name):
            some = found.setdefault(one.number // share, Kept([], []))
            getattr(some, name).append(one)
    return found


def _calls(part: Path) -> Iterator[Call]:
    return read_calls(part) if (part / CALLS).exists() else iter(())


def _posts(part: Path) -> Iterator[Post]:
    return read_posts(part) if (part / POSTS).exists() else iter(())
