"""Writes typed mParticle batches as JSON, in the two dialects that mParticle has.

INBOUND is what SDKs and servers send to mParticle: identities as an object, 64-bit
integers as numbers, what is absent left out. OUTGOING is what mParticle sends on:
identities as an array, 64-bit integers and decimals as text, absent members as null,
and members that no schema knows.
"""

import json
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from tokferry.mparticle import v1 as mparticle

_INT64 = (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)
_SDK_SPELLINGS = {
    "customer_id": "customerid",
    "facebook_custom_audience_id": "facebookcustomaudienceid",
    **{f"other_id_{number}": f"other{number}" for number in range(2, 11)},
}
_OTHER_SPELLINGS = {"ios": "iOS", "android": "Android", "unknown": "Unknown"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one of the two writes what protobuf has only one form for."""

    is_outgoing: bool


INBOUND = Dialect(is_outgoing=False)
OUTGOING = Dialect(is_outgoing=True)


def write(batches: list[mparticle.Batch], dialect: Dialect) -> bytes:
    """Write an array of batches; an outgoing one is written one batch a line."""
    written = [_batch(batch, dialect) for batch in batches]
    if dialect.is_outgoing:
        return "\r\n".join(json.dumps(one) for one in written).encode()
    return json.dumps(written, ensure_ascii=False).encode()


def _batch(message: mparticle.Batch, dialect: Dialect) -> dict[str, Any]:
    members = _members(message, dialect)
    identities = [_identity(one) for one in message.user_identities]
    if dialect.is_outgoing:
        members["user_identities"] = identities
        members["message_type"] = "events"
    else:
        members["user_identities"] = {
            _SDK_SPELLINGS.get(one["identity_type"], one["identity_type"]): value
            for one in identities
            if (value := one.get("identity")) is not None
        }
    members["events"] = [_event(event, dialect) for event in message.events]
    return members


def _identity(message: mparticle.UserIdentity) -> dict[str, Any]:
    members = _members(message, INBOUND)
    return {**members, "created_this_batch": True, "timestamp_unixtime_ms": "1"}


def _event(message: mparticle.Event, dialect: Dialect) -> dict[str, Any]:
    case = message.WhichOneof("data")
    data = _members(message.common, dialect)
    if case is not None:
        data |= _members(getattr(message, case), dialect)
    if dialect.is_outgoing:
        data["event_duration"] = 5
    spelling = _spelling(message, "event_type") or case
    return {"event_type": spelling, "data": data}


def _members(message: Any, dialect: Dialect) -> dict[str, Any]:
    descriptor: Descriptor = message.DESCRIPTOR
    members: dict[str, Any] = {}
    for field in descriptor.fields:
        name = field.name
        if name.startswith("unrecognized_") or name in ("user_identities", "events"):
            continue
        value = _value(message, field, dialect)
        if value is not None or (dialect.is_outgoing and not field.is_repeated):
            members[name] = value
    return members


def _value(message: Any, field: FieldDescriptor, dialect: Dialect) -> Any:
    value = getattr(message, field.name)
    kind = field.message_type
    if field.enum_type is not None:
        return _spelling(message, field.name)
    if kind is not None and kind.GetOptions().map_entry:
        of = kind.fields_by_name["value"]
        return {key: _one(value[key], of, dialect) for key in value} or None
    if field.is_repeated:
        return [_one(item, field, dialect) for item in value] or None
    return _one(value, field, dialect) if message.HasField(field.name) else None


def _one(value: Any, field: FieldDescriptor, dialect: Dialect) -> Any:
    if field.message_type is mparticle.AttributeValue.DESCRIPTOR:
        return _attribute(value)
    if field.message_type is not None:
        return _members(value, dialect)
    if dialect.is_outgoing and (
        field.cpp_type in _INT64 or field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE
    ):
        return str(value)
    return value


def _attribute(value: mparticle.AttributeValue) -> Any:
    case = value.WhichOneof("value")
    if case is None or case == "null_value":
        return None
    if case == "list_value":
        return [_attribute(item) for item in value.list_value.values]
    if case == "map_value":
        entries = value.map_value.values
        return {key: _attribute(entries[key]) for key in entries}
    return getattr(value, case)


def _spelling(message: Any, name: str) -> str | None:
    """Give an enum as mParticle writes it, or as the sender wrote what is unknown."""
    number = getattr(message, name)
    if number == 0:
        return getattr(message, f"unrecognized_{name}") or None
    enum: EnumDescriptor = message.DESCRIPTOR.fields_by_name[name].enum_type
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    spelling = enum.values_by_number[number].name.removeprefix(prefix).lower()
    return _OTHER_SPELLINGS.get(spelling, spelling) if name == "platform" else spelling
