"""Reads raw mParticle JSON, both dialects: a batch, an array of them, or one a line.

Inbound (Events API) and outgoing (webhook, queues) JSON differ in how identities and
64-bit integers are written; the structs take both. One malformed event, or batch,
never costs its neighbours: all is decoded at once, and if that fails, one by one.
"""

import io
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from tokferry_server.mparticle.model import Batch, BatchData, Event, Malformed
from tokferry_server.mparticle.repair_json import repair

MAX_PROBLEM_CHARACTERS = 200
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Whole(BatchData, gc=False):
    """A batch in which nothing is wrong: by far the most, read in one go."""

    events: list[Event] | None = None


class _Envelope(BatchData, gc=False):
    """A batch whose events stay raw, so that each one is decoded by itself."""

    event_type: Any = None
    events: list[msgspec.Raw] | None = None


class _Events(msgspec.Struct, gc=False):
    """Only the events of a batch, to give each a result when the rest is unreadable."""

    events: list[msgspec.Raw] | None = None


_whole = msgspec.json.Decoder(_Whole | list[_Whole])
_envelope = msgspec.json.Decoder(_Envelope)
_events = msgspec.json.Decoder(_Events)
_event = msgspec.json.Decoder(Event)
_raw_list = msgspec.json.Decoder(list[msgspec.Raw])
_any_raw = msgspec.json.Decoder(msgspec.Raw)


def read_json(data: bytes, *, wrap_events: bool = False) -> list[Batch | Malformed]:
    """Read one batch, an array of batches, or newline-delimited batches.

    With ``wrap_events``, an object with a top-level ``event_type`` counts as a batch
    of that one event. What cannot be read comes back as ``Malformed`` in its place.
    """
    wholes = _wholes(data)
    if wholes:
        return wholes
    return [
        _read_batch(document, wrap_events=wrap_events)
        for document in split_documents(data)
    ]


def _wholes(data: bytes) -> list[Batch | Malformed]:
    """Give the batches if nothing is wrong with any of them; else none."""
    data = data.strip()
    if b"\n" not in data:
        return _decoded((data,))
    # First one a line: of one value that goes over many, the first line is none.
    return _decoded(io.BytesIO(data)) or _decoded((data,))


def _decoded(documents: Iterable[bytes]) -> list[Batch | Malformed]:
    found: list[Batch | Malformed] = []
    try:
        for document in documents:
            if not document.isspace():
                decoded = _whole.decode(document)
                for whole in decoded if isinstance(decoded, list) else (decoded,):
                    if whole.events is None:
                        return []
                    found.append(Batch(whole, whole.events))
    except _UNREADABLE:
        return []
    return found


def split_documents(data: bytes) -> Iterator[bytes]:
    """Cut raw JSON into the bytes of single batches, reading none of them."""
    data = data.strip().removeprefix(b"\xef\xbb\xbf").strip()
    if not data:
        return
    if _is_complete(data):
        yield from _split_array(data)
        return
    repaired = repair(data)
    if repaired is not None:
        yield from _split_array(repaired)
        return
    lines = [stripped for line in data.splitlines() if (stripped := line.strip())]
    if not any(_is_complete(line) or _is_repairable(line) for line in lines):
        yield data
        return
    for line in lines:
        yield from _split_array(line)


def _split_array(document: bytes) -> Iterator[bytes]:
    if not document.startswith(b"["):
        yield document
        return
    try:
        yield from (bytes(raw) for raw in _raw_list.decode(document))
    except _UNREADABLE:
        repaired = repair(document)
        if repaired is None:
            yield document
        else:
            yield from (bytes(raw) for raw in _raw_list.decode(repaired))


def _is_complete(document: bytes) -> bool:
    if document.lstrip()[:1] not in (b"{", b"["):
        return False
    try:
        _any_raw.decode(document)
    except _UNREADABLE:
        return False
    return True


def _is_repairable(document: bytes) -> bool:
    return document[:1] in (b"{", b"[") and repair(document) is not None


def _read_batch(document: bytes, *, wrap_events: bool) -> Batch | Malformed:
    try:
        envelope = _envelope.decode(document)
    except msgspec.ValidationError as error:
        return _read_events_of_malformed_batch(document, _malformed("batch", error))
    except _UNREADABLE as error:
        repaired = repair(document)
        if repaired is None:
            return _malformed("batch", error)
        return _read_batch(repaired, wrap_events=wrap_events)
    if envelope.events is None and envelope.event_type is not None:
        if wrap_events:
            return Batch(data=BatchData(), events=[_read_event(document)])
        return Malformed(
            field="batch",
            problem='this is a single event: wrap it as {"events": [...]}',
        )
    return Batch(
        data=envelope, events=[_read_event(raw) for raw in envelope.events or ()]
    )


def _read_events_of_malformed_batch(
    document: bytes, malformed: Malformed
) -> Batch | Malformed:
    """Give every event of an unreadable batch the batch's own problem."""
    try:
        events = _events.decode(document).events
    except _UNREADABLE:
        return malformed
    if not events:
        return malformed
    return Batch(data=BatchData(), events=[malformed for _ in events])


def _read_event(raw: bytes | msgspec.Raw) -> Event | Malformed:
    try:
        return _event.decode(raw)
    except _UNREADABLE as error:
        repaired = repair(bytes(raw))
        if repaired is None:
            return _malformed("event", error)
    try:
        return _event.decode(repaired)
    except _UNREADABLE as error:
        return _malformed("event", error)


def _malformed(root: str, error: Exception) -> Malformed:
    if isinstance(error, RecursionError):
        return Malformed(field=root, problem="JSON is nested too deeply")
    if isinstance(error, UnicodeDecodeError):
        return Malformed(field=root, problem="JSON is not valid UTF-8")
    problem, _, path = str(error).partition(" - at `$")
    path = path.rstrip("`").removeprefix(".data" if root == "event" else "")
    return Malformed(field=root + path, problem=problem[:MAX_PROBLEM_CHARACTERS])
