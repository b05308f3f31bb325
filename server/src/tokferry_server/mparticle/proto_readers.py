"""Writes functions that read messages into structs, field by field.

Written once, from the structs and the message descriptors: a struct field takes the
message field of the same name. Only reading by name is fast: each field that is read
costs 30 to 100 ns, and each look whether one is set as much again.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any, get_args, get_type_hints

import msgspec
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from tokferry.mparticle.v1 import AttributeValue, IdentityType, UserIdentity
from tokferry_server.written import load

Reader = Callable[[Any], Any]
Struct = type[msgspec.Struct]


def spellings(enum: EnumDescriptor) -> dict[int, str | None]:
    """Number → mParticle's spelling: the name without its prefix, in lower case."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    spelt: dict[int, str | None] = {
        value.number: value.name.removeprefix(prefix).lower() for value in enum.values
    }
    spelt[0] = None
    return spelt


def enum_reader(name: str, enum: EnumDescriptor) -> Reader:
    """Give what reads an enum's spelling, or how the sender spelt what is unknown."""
    unrecognized = f"unrecognized_{name}"
    spelt = spellings(enum)

    def read(message: Any) -> str | None:
        number = getattr(message, name)
        spelling = spelt.get(number, str(number))
        return spelling or getattr(message, unrecognized) or None

    return read


class Readers:
    """Writes the readers of some structs; ``wanted`` are the ``Struct.field`` to read.

    Without ``wanted``, all fields are read.
    """

    def __init__(self, wanted: Collection[str] | None) -> None:
        self._wanted = wanted
        self._source: list[str] = []
        self.names: dict[str, Any] = {
            "attributes": _attributes,
            "identity": _identity,
            "members": _members,
        }

    def load(self) -> dict[str, Any]:
        """Give the functions that were added, by name."""
        return load("\n\n\n".join(self._source), self.names)

    def add(self, struct: Struct, descriptor: Descriptor) -> str:
        """Add a function that reads a message into a struct, and give its name."""
        name = f"read_{struct.__name__}"
        if name not in self.names:
            self.names[name] = None  # until it is loaded
            self._write(name, struct, [("message", descriptor)], [])
        return name

    def add_data(
        self,
        name: str,
        struct: Struct,
        parts: dict[str, Descriptor | None],
        **more: str,
    ) -> None:
        """Add a function that reads members of a message together into one struct."""
        before = [f"{part} = message.{part}" for part in parts]
        known = [(part, one) for part, one in parts.items() if one is not None]
        self._write(name, struct, known, before, **more)

    def _write(
        self,
        name: str,
        struct: Struct,
        parts: list[tuple[str, Descriptor]],
        before: list[str],
        **more: str,
    ) -> None:
        values: dict[str, str] = {}
        for place, descriptor in parts:
            for field, code in self._fields(struct, descriptor, place):
                values.setdefault(field, code)
        values |= more
        lines = [f"def {name}(message):", *(f"    {line}" for line in before)]
        lines.append(f"    return {struct.__name__}(")
        lines += [f"        {field}={code}," for field, code in values.items()]
        self._source.append("\n".join([*lines, "    )"]))
        self.names[struct.__name__] = struct

    def _fields(
        self, struct: Struct, descriptor: Descriptor, place: str
    ) -> Iterator[tuple[str, str]]:
        hints = get_type_hints(struct)
        for name in struct.__struct_fields__:
            field = descriptor.fields_by_name.get(name)
            if field is not None and self._is_wanted(struct, name):
                yield name, self._code(field, _struct_in(hints[name]), place)

    def _is_wanted(self, struct: Struct, name: str) -> bool:
        """Whether the field is wanted under the struct's name, or that of its base."""
        wanted = self._wanted
        return wanted is None or any(
            f"{one.__name__}.{name}" in wanted for one in struct.__mro__
        )

    def _code(self, field: FieldDescriptor, struct: Struct | None, place: str) -> str:
        """Give the expression that reads one field of the message at ``place``."""
        at, is_set = f"{place}.{field.name}", f"{place}.HasField({field.name!r})"
        kind = field.message_type
        if field.enum_type is not None:
            return self._enum(field.name, field.enum_type, place)
        if kind is None:
            is_text = field.cpp_type == FieldDescriptor.CPPTYPE_STRING
            return (
                f"{at} or None" if is_text else f"{at} or ({at} if {is_set} else None)"
            )
        if kind.GetOptions().map_entry:
            return self._map(kind.fields_by_name["value"], struct, at)
        read = "members" if struct is None else self.add(struct, kind)
        if kind is UserIdentity.DESCRIPTOR:
            read = "identity"
        if field.is_repeated:
            return f"[{read}(one) for one in {at}] or None"
        return f"{read}({at}) if {is_set} else None"

    def _enum(self, name: str, enum: EnumDescriptor, place: str) -> str:
        self.names[enum.name] = spellings(enum)
        self.names[f"{name}_of_{enum.name}"] = enum_reader(name, enum)
        return f"{enum.name}.get({place}.{name}) or {name}_of_{enum.name}({place})"

    def _map(self, value: FieldDescriptor, struct: Struct | None, at: str) -> str:
        if value.message_type is AttributeValue.DESCRIPTOR:
            return f"attributes({at})"
        if value.message_type is None:
            return f"dict({at}) or None"
        read = "members" if struct is None else self.add(struct, value.message_type)
        return f"{{key: {read}({at}[key]) for key in {at}}} or None"


def _attributes(entries: Any) -> dict[str, Any] | None:
    return {key: _plain(entries[key]) for key in entries} if entries else None


def _plain(value: AttributeValue) -> Any:
    """Give an attribute as JSON would have it."""
    text = value.string_value
    if text:
        return text
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


def _struct_in(hint: Any) -> Struct | None:
    """Find the struct that a field's type holds, behind lists, maps and unions."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint
    return next(
        (found for part in get_args(hint) if (found := _struct_in(part)) is not None),
        None,
    )


_read_identity_type = enum_reader("identity_type", IdentityType.DESCRIPTOR)
