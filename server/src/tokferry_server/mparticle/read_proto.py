"""Reads typed mParticle messages into the same structs that JSON is read into.

An enum gives mParticle's own spelling. A mapping may say which fields it reads, and
the others are left unread; that is most of them.
"""

from collections.abc import Collection, Iterable
from functools import lru_cache, partial
from typing import Any

from google.protobuf.descriptor import Descriptor

from tokferry.mparticle.v1 import Batch as BatchMessage
from tokferry.mparticle.v1 import Event as EventMessage
from tokferry.mparticle.v1 import EventInfo, EventType
from tokferry_server.mparticle.model import (
    Batch,
    BatchData,
    Event,
    EventData,
    Malformed,
    PartOfEvent,
)
from tokferry_server.mparticle.proto_readers import Reader, Readers, enum_reader

_DATA = EventMessage.DESCRIPTOR.oneofs_by_name["data"]
_COMMON: dict[str, Descriptor | None] = {"common": EventInfo.DESCRIPTOR}


def read_proto(
    messages: Iterable[BatchMessage], wanted: Collection[str] | None = None
) -> list[Batch | Malformed]:
    """Read typed batches; an event at odds with itself comes back as ``Malformed``.

    ``wanted`` names the fields to read as ``Struct.field`` of the model
    (``EventData.page_url``); without it all are read.
    """
    reading = _reading(None if wanted is None else frozenset(wanted))
    return [
        Batch(
            data=reading.batch(message),
            events=[reading.event(event) for event in message.events],
        )
        for message in messages
    ]


class Reading:
    """Reads batches and events as far as they are wanted."""

    def __init__(self, wanted: Collection[str] | None) -> None:
        readers = Readers(wanted)
        batch = readers.add(BatchData, BatchMessage.DESCRIPTOR)
        struct, more = EventData, {}
        if wanted is not None:
            struct, more = PartOfEvent, {"whole": "partial(read_whole, message)"}
            readers.names |= {"partial": partial, "read_whole": _read_whole}
        readers.add_data("read_nothing_else", struct, _COMMON, **more)
        for field in _DATA.fields:
            parts = {**_COMMON, field.name: field.message_type}
            readers.add_data(f"read_{field.name}", struct, parts, **more)
        functions = readers.load()
        self.batch: Reader = functions[batch]
        self._common: Reader = functions["read_nothing_else"]
        self._data: dict[str, Reader] = {
            field.name: functions[f"read_{field.name}"] for field in _DATA.fields
        }

    def event(self, message: EventMessage) -> Event | Malformed:
        """Read one event."""
        case = message.WhichOneof("data")
        event_type = _read_event_type(message)
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
        return Event(event_type, self._data[case](message))

    def data(self, message: EventMessage) -> EventData:
        """Read the data of an event that is known to be sound."""
        case = message.WhichOneof("data")
        read = self._common if case is None else self._data[case]
        made: EventData = read(message)
        return made


@lru_cache(maxsize=64)
def _reading(wanted: frozenset[str] | None) -> Reading:
    return Reading(wanted)


def _read_whole(message: EventMessage) -> Any:
    return _reading(None).data(message)


_read_event_type = enum_reader("event_type", EventType.DESCRIPTOR)
