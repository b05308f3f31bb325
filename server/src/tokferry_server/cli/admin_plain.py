"""Turns messages of the admin service into plain values for JSON and for tables."""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

_PREFIXES: Final = {
    "DeliveryReason": "DELIVERY_REASON_",
    "ConnectionState": "CONNECTION_STATE_",
    "EventSource": "EVENT_SOURCE_",
    "WireFormat": "WIRE_FORMAT_",
}


def plain(message: Message) -> dict[str, Any]:
    """Give the members of a message by name; what is absent is left out.

    Times are ISO 8601 in UTC, durations seconds, enums names without their prefix;
    ``json`` is that JSON, to the byte.
    """
    return {
        field.name: _value(field, getattr(message, field.name))
        for field in message.DESCRIPTOR.fields
        if _is_there(field, message)
    }


def enum_name(descriptor: EnumDescriptor, number: int) -> str:
    """Give the name of a value without its prefix; nothing for an unspecified one."""
    if not number:
        return ""
    value = descriptor.values_by_number.get(number)
    name = str(number) if value is None else value.name
    return name.removeprefix(_PREFIXES[descriptor.name])


def moment(time: Timestamp) -> str:
    """Give a time as ISO 8601 in UTC, to the second."""
    return f"{datetime.fromtimestamp(time.seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _is_there(field: Any, message: Message) -> bool:
    if field.has_presence:
        return message.HasField(field.name)
    return field.type != FieldDescriptor.TYPE_BYTES or bool(
        getattr(message, field.name)
    )


def _value(field: Any, value: Any) -> Any:
    if field.is_repeated:
        return [_single(field, one) for one in value]
    return _single(field, value)


def _single(field: Any, value: Any) -> Any:
    if isinstance(value, Timestamp):
        return moment(value)
    if isinstance(value, Duration):
        return value.seconds + value.nanos / 1e9
    if isinstance(value, Message):
        return plain(value)
    if field.enum_type is not None:
        return enum_name(field.enum_type, value)
    if isinstance(value, bytes):
        return msgspec.Raw(value)
    return value
