"""Batches in which every scalar of mParticle's model is set, in one way or another."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tokferry.mparticle.v1 import Batch

Value = bool | int | float | str | bytes
_F: Final = FieldDescriptor
_DEEPEST: Final = 8  # attributes may hold attributes
_UNKNOWN_ENUM: Final = 987_654
_ZERO: Final[dict[int, Value]] = {
    _F.TYPE_BOOL: False,
    _F.TYPE_INT32: 0,
    _F.TYPE_INT64: 0,
    _F.TYPE_DOUBLE: 0.0,
    _F.TYPE_STRING: "",
    _F.TYPE_ENUM: 0,
}
_HIGH: Final[dict[int, Value]] = {
    _F.TYPE_BOOL: True,
    _F.TYPE_INT32: 2**31 - 1,
    _F.TYPE_INT64: 2**63 - 1,
    _F.TYPE_DOUBLE: 1.7976931348623157e308,
    _F.TYPE_STRING: 'Zoë "ß"\n\u2028 😀',
    _F.TYPE_ENUM: _UNKNOWN_ENUM,
}
_LOW: Final[dict[int, Value]] = {
    **_HIGH,
    _F.TYPE_INT32: -(2**31),
    _F.TYPE_INT64: -(2**63),
    _F.TYPE_DOUBLE: 5e-324,
    _F.TYPE_ENUM: 1,
}
_ODD: Final[dict[int, Value]] = {**_LOW, _F.TYPE_INT64: 2**53 + 1, _F.TYPE_DOUBLE: 0.1}
WAYS: Final = {"zero": _ZERO, "high": _HIGH, "low": _LOW, "beyond 2^53": _ODD}


def filled(way: str) -> Batch:
    """Give a batch with every field set, and one event for each kind of event."""
    batch = Batch()
    _fill(batch, WAYS[way], _DEEPEST)
    return batch


def scalars(descriptor: Descriptor, seen: set[str]) -> Iterator[str]:
    """Name every optional scalar that a message can hold, at any depth."""
    if descriptor.full_name in seen:
        return
    seen.add(descriptor.full_name)
    for field in descriptor.fields:
        if field.message_type is not None:
            yield from scalars(field.message_type, seen)
        elif not field.is_repeated:
            yield field.full_name


def present(message: Any) -> Iterator[str]:
    """Name every scalar that a message holds, at any depth."""
    for field, value in message.ListFields():
        if field.message_type is None:
            yield field.full_name
        elif not field.is_repeated:
            yield from present(value)
        elif field.message_type.GetOptions().map_entry:
            yield from (f"{field.message_type.full_name}.{n}" for n in ("key", "value"))
            if field.message_type.fields_by_name["value"].message_type is not None:
                for one in value.values():
                    yield from present(one)
        else:
            for one in value:
                yield from present(one)


def _fill(message: Any, values: dict[int, Value], depth: int) -> None:
    """Set every field; of a oneof the first, where repeated each in turn."""
    for field in message.DESCRIPTOR.fields:
        oneof = field.containing_oneof
        alternatives = oneof is not None and len(oneof.fields) > 1
        if not alternatives:
            _set(message, field, values, depth)
    for oneof in message.DESCRIPTOR.oneofs:
        if len(oneof.fields) > 1 and message.WhichOneof(oneof.name) is None:
            _set(message, oneof.fields[0], values, depth)


def _set(
    message: Any, field: FieldDescriptor, values: dict[int, Value], depth: int
) -> None:
    if field.message_type is None:
        _set_scalar(message, field, values)
    elif depth > 0 and field.is_repeated:
        _set_many(getattr(message, field.name), field.message_type, values, depth - 1)
    elif depth > 0:
        inner = getattr(message, field.name)
        inner.SetInParent()
        _fill(inner, values, depth - 1)


def _set_scalar(message: Any, field: FieldDescriptor, values: dict[int, Value]) -> None:
    if field.is_repeated:
        getattr(message, field.name).append(values[field.type])
    else:
        setattr(message, field.name, values[field.type])


def _set_many(
    many: Any, kind: Descriptor, values: dict[int, Value], depth: int
) -> None:
    """Fill a list or a map of messages: one for each member of their oneofs."""
    add: Callable[[str], Any] = lambda _: many.add()  # noqa: E731
    if kind.GetOptions().map_entry:
        inner = kind.fields_by_name["value"].message_type
        if inner is None:
            many["a key"] = values[_F.TYPE_STRING]
            return
        kind, add = inner, many.__getitem__
    choices = [f for one in kind.oneofs if len(one.fields) > 1 for f in one.fields]
    if not choices:
        _fill(add("only"), values, depth)
    for choice in choices:
        item = add(choice.name)
        _set(item, choice, values, depth)
        _fill(item, values, depth)
