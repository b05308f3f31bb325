"""Writes events that were not delivered as batches that can be forwarded again.

A batch keeps its shared data, and of its events only those concerned. An event that
owes its id to its place in the batch gets that id written into it: moved to another
place it would else pass for its neighbour, which TikTok has.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tokferry.v1 import EventResult
from tokferry_server.mparticle.repair_json import repair

_ID_FLAG = "TikTok.EventId"
_OWN_IDS = ("source_message_id", "event_id")
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])
_unreadable = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class FailedFile:
    """A file of one batch a line, for its owner only; made when there is one."""

    def __init__(self, path: Path, *, size: int = 0) -> None:
        """Go on after the first ``size`` bytes of an earlier run.

        Raises:
            OSError: it is not as the earlier run left it, or cannot be written.
        """
        self._path = path
        self._file: int | None = None
        self.size = size
        if path.exists() and path.stat().st_size < size:
            raise OSError(f"{path}: is shorter than the earlier run left it")
        if size or path.exists():
            self._open()
            os.truncate(path, size)

    def write(self, lines: Iterable[bytes]) -> None:
        """Append lines; they are on disk after ``sync``."""
        text = b"".join(line + b"\n" for line in lines)
        if not text:
            return
        rest = memoryview(text)
        while rest:
            rest = rest[os.write(self._open(), rest) :]
        self.size += len(text)

    def sync(self) -> None:
        """Have all of it on disk."""
        if self._file is not None:
            os.fsync(self._file)

    def _open(self) -> int:
        if self._file is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self._file = os.open(self._path, flags, 0o600)
        return self._file


def failed_line(data: bytes, results: Mapping[int, EventResult] | None) -> bytes:
    """Give a batch with some of its events, on one line.

    ``results`` maps the events' indexes to what became of them; None keeps the batch
    as it is, as does one that cannot be read.
    """
    line = data if results is None else _reduced(data, results)
    return line.replace(b"\r", b" ").replace(b"\n", b" ")


def _reduced(data: bytes, results: Mapping[int, EventResult]) -> bytes:
    try:
        batch = _members.decode(data)
    except _unreadable:
        repaired = repair(data)
        return data if repaired is None else _reduced(repaired, results)
    try:
        events = _list.decode(batch["events"])
        message_id = _text(batch.get("message_id"))
        chosen = [
            _with_id(events[index], _id_of(result, index, message_id))
            for index, result in sorted(results.items())
        ]
    except (*_unreadable, LookupError):
        return data
    batch["events"] = msgspec.Raw(b"[" + b",".join(map(bytes, chosen)) + b"]")
    return msgspec.json.encode(batch)


def _id_of(result: EventResult, index: int, message_id: str | None) -> str | None:
    """Give the id that the event had, or would have had, in its place."""
    if result.deliveries:
        return result.deliveries[0].event_id or None
    return None if message_id is None else f"{message_id}.{index}"


def _with_id(raw: msgspec.Raw, event_id: str | None) -> msgspec.Raw:
    if event_id is None:
        return raw
    try:
        event = _members.decode(raw)
        data = _members.decode(event["data"])
        if any(_text(data.get(name)) is not None for name in _OWN_IDS):
            return raw
        flags = _flags(data.get("custom_flags"))
    except (*_unreadable, LookupError):
        return raw
    flags.setdefault(_ID_FLAG, event_id)
    data["custom_flags"] = msgspec.Raw(msgspec.json.encode(flags))
    event["data"] = msgspec.Raw(msgspec.json.encode(data))
    return msgspec.Raw(msgspec.json.encode(event))


def _flags(raw: msgspec.Raw | None) -> dict[str, Any]:
    """Read flags; senders may write none as null or as an empty array."""
    if raw is None or bytes(raw).strip() in (b"null", b"[]"):
        return {}
    return dict(_members.decode(raw))


def _text(raw: msgspec.Raw | None) -> str | None:
    """Give an id as text, if it is one."""
    value = None if raw is None else msgspec.json.decode(raw)
    return str(value) if isinstance(value, (str, int)) and value != "" else None
