"""Reads typed mParticle messages into the same structs that JSON is read into.

The reader is made once, from the structs and the message descriptors: a struct field
takes the message field of the same name. An enum gives mParticle's own spelling.
"""

from collections.abc import Callable, Iterable
from typing import Any, get_args, get_type_hints

import msgspec
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from tokferry.mparticle.v1 import (
    AttributeValue,
    EventInfo,
    EventType,
    IdentityType,
    UserIdentity,
)
from tokferry.mparticle.v1 import Batch as BatchMessage
from tokferry.mparticle.v1 import Event as EventMessage
from tokferry_server.mparticle.model import (
    Batch,
    BatchData,
    Event,
    EventData,
    Malformed,
)

Reader = Callable[[Any], Any]
Struct = type[msgspec.Struct]

_DATA = EventMessage.DESCRIPTOR.oneofs_by_name["data"]


def read_proto(messages: Iterable[BatchMessage]) -> list[Batch | Malformed]:
    """Read typed batches; an event at odds with itself comes back as ``Malformed``."""
    return [
        Batch(
            data=_read_batch(message),
            events=[_read_event(event) for event in message.events],
        )
        for message in messages
    ]


def _read_event(message: EventMessage) -> Event | Malformed:
    case = message.WhichOneof("data")
    event_type = _read_event_type(message)
    if case is None:
        return Event(event_type=event_type, data=_read_common(message))
    if event_type is None:
        event_type = case
    elif event_type != case:
        return Malformed(
            field="event.event_type",
            problem=f"event_type and the member of data that is set ({case}) differ",
        )
    return Event(event_type=event_type, data=_read_data[case](message))


def _spellings(enum: EnumDescriptor) -> dict[int, str | None]:
    """Number → mParticle's spelling: the name without its prefix, in lower case."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    spellings: dict[int, str | None] = {
        value.number: value.name.removeprefix(prefix).lower() for value in enum.values
    }
    spellings[0] = None
    return spellings


def _enum_reader(name: str, enum: EnumDescriptor) -> Reader:
    unrecognized = f"unrecognized_{name}"
    spellings = _spellings(enum)

    def read(message: Any) -> str | None:
        number = getattr(message, name)
        spelling = spellings.get(number, str(number))
        return spelling or getattr(message, unrecognized) or None

    return read


def _text_reader(field: FieldDescriptor) -> Reader:
    name = field.name
    return lambda message: getattr(message, name) or None


def _scalar_reader(field: FieldDescriptor) -> Reader:
    name = field.name

    def read(message: Any) -> Any:
        value = getattr(message, name)
        return value if value or message.HasField(name) else None

    return read


def _message_reader(field: FieldDescriptor, read_one: Reader) -> Reader:
    name = field.name

    def read(message: Any) -> Any:
        return read_one(getattr(message, name)) if message.HasField(name) else None

    return read


def _list_reader(field: FieldDescriptor, read_one: Reader) -> Reader:
    name = field.name

    def read(message: Any) -> Any:
        return [read_one(item) for item in getattr(message, name)] or None

    return read


def _map_reader(field: FieldDescriptor, read_one: Reader) -> Reader:
    name = field.name

    def read(message: Any) -> Any:
        entries = getattr(message, name)
        return {key: read_one(entries[key]) for key in entries} or None

    return read


def _plain(value: AttributeValue) -> Any:
    """Give an attribute as JSON would have it."""
    case = value.WhichOneof("value")
    if case is None or case == "null_value":
        return None
    if case == "list_value":
        return [_plain(item) for item in value.list_value.values]
    if case == "map_value":
        entries = value.map_value.values
        return {key: _plain(entries[key]) for key in entries}
    return getattr(value, case)


def _members(message: Message) -> dict[str, Any]:
    """Give a message that no struct describes as JSON would have it."""
    return {
        field.name: _members(value) if isinstance(value, Message) else value
        for field, value in message.ListFields()
        if not field.is_repeated and field.enum_type is None
    }


def _identity(message: UserIdentity) -> dict[str, Any]:
    return {
        "identity_type": _read_identity_type(message),
        "identity": message.identity if message.HasField("identity") else None,
    }


def _field_reader(field: FieldDescriptor, struct: Struct | None) -> Reader:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        return _map_reader(field, _value_reader(kind.fields_by_name["value"], struct))
    if kind is UserIdentity.DESCRIPTOR:
        return _list_reader(field, _identity)
    if kind is not None:
        read_one = _value_reader(field, struct)
        return (_list_reader if field.is_repeated else _message_reader)(field, read_one)
    if field.enum_type is not None:
        return _enum_reader(field.name, field.enum_type)
    is_text = field.cpp_type == FieldDescriptor.CPPTYPE_STRING
    return _text_reader(field) if is_text else _scalar_reader(field)


def _value_reader(field: FieldDescriptor, struct: Struct | None) -> Reader:
    """Give the reader of one element: of a map, of a list, or of the field itself."""
    if field.message_type is None:
        return _unchanged
    if struct is not None:
        return _struct_reader(struct, field.message_type)
    return _plain if field.message_type is AttributeValue.DESCRIPTOR else _members


def _unchanged(value: Any) -> Any:
    return value


def _struct_reader(struct: Struct, descriptor: Descriptor) -> Reader:
    readers = _readers(struct, descriptor)
    return lambda message: struct(*[read(message) for read in readers])


def _readers(struct: Struct, descriptor: Descriptor) -> list[Reader]:
    """Give one reader a struct field, in the struct's order."""
    hints = get_type_hints(struct)
    return [
        _field_reader(field, _struct_in(hints[name]))
        if (field := descriptor.fields_by_name.get(name)) is not None
        else _absent
        for name in struct.__struct_fields__
    ]


def _absent(_message: Any) -> None:
    return None


def _struct_in(hint: Any) -> Struct | None:
    """Find the struct that a field's type holds, behind lists, maps and unions."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint
    return next(
        (found for part in get_args(hint) if (found := _struct_in(part)) is not None),
        None,
    )


def _data_reader(case: Descriptor | None) -> Reader:
    """Give the reader of ``common`` and the event's own message as one struct."""
    common = _readers(EventData, EventInfo.DESCRIPTOR)
    own = _readers(EventData, case) if case is not None else [_absent] * len(common)
    from_common = [read is not _absent for read in common]
    field = case and next(
        member.name for member in _DATA.fields if member.message_type is case
    )

    def read(message: Any) -> EventData:
        shared = message.common
        data = getattr(message, field) if field else None
        return EventData(
            *[
                common[index](shared) if is_common else own[index](data)
                for index, is_common in enumerate(from_common)
            ]
        )

    return read


_read_event_type = _enum_reader("event_type", EventType.DESCRIPTOR)
_read_identity_type = _enum_reader("identity_type", IdentityType.DESCRIPTOR)
_batch_readers = _readers(BatchData, BatchMessage.DESCRIPTOR)
_read_common = _data_reader(None)
_read_data = {field.name: _data_reader(field.message_type) for field in _DATA.fields}


def _read_batch(message: Message) -> BatchData:
    return BatchData(*[read(message) for read in _batch_readers])
