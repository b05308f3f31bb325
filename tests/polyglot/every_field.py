"""A batch in which every scalar of mParticle's model is set, by its type."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tokferry.mparticle.v1 import Batch

Value = bool | int | float | str | bytes
_F: Final = FieldDescriptor
_DEEPEST: Final = 8  # attributes may hold attributes


def filled(values: Mapping[str, Value]) -> Batch:
    """Give a batch with every field set, and one event for each kind of event.

    `values` are named by the types of protobuf in lower case, such as `int64`.
    """
    kinds = {getattr(_F, f"TYPE_{name.upper()}"): one for name, one in values.items()}
    batch = Batch()
    _fill(batch, kinds, _DEEPEST)
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
