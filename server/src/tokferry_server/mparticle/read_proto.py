"""Reads typed mParticle messages into the same structs that JSON is read into.

An enum gives mParticle's own spelling. A mapping may say which fields it reads, and
the others are left unread; that is most of them.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

from google.protobuf.descriptor import Descriptor

from tokferry.mparticle.v1 import Batch as BatchMessage
from tokferry.mparticle.v1 import Event as EventMessage
from tokferry.mparticle.v1 import EventInfo, EventType
from tokferry_server.mparticle.model import (
    ORIGIN,
    Batch,
    BatchData,
    Event,
    EventData,
    Malformed,
)
from tokferry_server.mparticle.proto_readers import Readers
from tokferry_server.mparticle.proto_values import Reader, enum_reader, spellings

_which = EventMessage.WhichOneof  # of the class: found in two thirds of the time
_DATA = EventMessage.DESCRIPTOR.oneofs_by_name["data"]
_COMMON: dict[str, Descriptor | None] = {"common": EventInfo.DESCRIPTOR}


def read_proto(
    messages: Sequence[BatchMessage], wanted: Collection[str] | None = None
) -> list[Batch | Malformed]:
    """Read typed batches; an event at odds with itself comes back as ``Malformed``.

    ``wanted`` names what to read as ``mapping/wanted.py`` does; without it all is read.
    The data of events of other types stays ``None``, and of a batch's own data only its
    origin is read, until it is asked for: of most senders' batches nothing is sent.
    """
    reading = _reading(None if wanted is None else frozenset(wanted))
    # Slices, here and below, are lists, which take a third of the time to go through.
    return [reading.batch(message) for message in messages[:]]


class _UnreadBatch(Batch, gc=False):
    """A batch whose ``data`` has no more than its origin, until it is read as a whole.

    ``read`` makes it of the ``message``.
    """

    message: BatchMessage
    read: Reader

    def whole(self) -> BatchData:
        """Read the data as far as it is wanted."""
        made: BatchData = self.read(self.message)
        return made


class Reading:
    """Reads batches and events as far as they are wanted."""

    def __init__(self, wanted: Collection[str] | None) -> None:
        readers = Readers(wanted)
        batch = readers.add(BatchData, BatchMessage.DESCRIPTOR)
        whole = None if wanted is None else _read_whole
        readers.add_data("read_nothing_else", EventData, _COMMON, whole)
        kinds = [field for field in _DATA.fields if _is_read(field.name, wanted)]
        for kind in kinds:
            parts = {**_COMMON, kind.name: kind.message_type}
            readers.add_data(f"read_{kind.name}", EventData, parts, whole)
        functions = readers.load()
        self._batch: Reader = functions[batch]
        self._origin = None if wanted is None else _origin_reader(wanted)
        self._common: Reader = functions["read_nothing_else"]
        self._data: dict[str, Reader] = {
            kind.name: functions[f"read_{kind.name}"] for kind in kinds
        }

    def batch(self, message: BatchMessage) -> Batch:
        """Read the events of one batch; of its own data, as yet, where it is from."""
        events = [self.event(event) for event in message.events[:]]
        if self._origin is None:
            return Batch(self._batch(message), events)
        return _UnreadBatch(self._origin(message), events, message, self._batch)

    def event(self, message: EventMessage) -> Event | Malformed:
        """Read one event."""
        case = _which(message, "data")
        event_type = _EVENT_TYPES.get(message.event_type) or _read_event_type(message)
        if case is None:
            return Event(event_type, self._common(message))
        if event_type is None:
            event_type = case
        elif event_type != case:
            return Malformed(
                field="event.event_type",
                problem=f"event_type and the member of data that is set ({case}) "
                "differ",
            )
        read = self._data.get(case)
        return Event(event_type, None if read is None else read(message))

    def data(self, message: EventMessage) -> EventData:
        """Read the data of an event that is known to be sound."""
        case = _which(message, "data")
        read = self._common if case is None else self._data[case]
        made: EventData = read(message)
        return made


@lru_cache(maxsize=64)
def _reading(wanted: frozenset[str] | None) -> Reading:
    return Reading(wanted)


def _origin_reader(wanted: Collection[str]) -> Reader:
    readers = Readers(ORIGIN.intersection(wanted))
    name = readers.add(BatchData, BatchMessage.DESCRIPTOR)
    read: Reader = readers.load()[name]
    return read


def _read_whole(message: EventMessage) -> Any:
    return _reading(None).data(message)


def _is_read(kind: str, wanted: Collection[str] | None) -> bool:
    """Whether the data of such events is wanted at all."""
    return wanted is None or "Event.*" in wanted or f"Event.{kind}" in wanted


_EVENT_TYPES = spellings(EventType.DESCRIPTOR)
_read_event_type = enum_reader("event_type", EventType.DESCRIPTOR)
