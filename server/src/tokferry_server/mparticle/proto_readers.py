"""Writes functions that read messages into structs, field by field.

Written once, from the structs and the message descriptors: a struct field takes the
message field of the same name. Only reading by name is fast: each field that is read
costs 30 to 100 ns, and each look whether one is set as much again.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, get_args, get_type_hints

import msgspec
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from tokferry.mparticle.v1 import AttributeValue
from tokferry_server.mparticle.model import PartOfEvent
from tokferry_server.mparticle.proto_values import (
    Reader,
    attributes,
    attributes_in_any_case,
    each_value,
    entries,
    enum_reader,
    identities,
    members,
    plain,
    spellings,
    values_in_any_case,
)
from tokferry_server.written import load

Struct = type[msgspec.Struct]


class Readers:
    """Writes the readers of some structs; ``wanted`` are the ``Struct.field`` to read.

    Without ``wanted``, all fields are read. Structs of which only some are read are
    made with these alone: each field that a struct has costs time.
    """

    def __init__(self, wanted: Collection[str] | None) -> None:
        self._wanted = wanted
        self._source: list[str] = []
        self.names: dict[str, Any] = {
            "attributes": attributes,
            "attributes_in_any_case": attributes_in_any_case,
            "each_value": each_value,
            "entries": entries,
            "identities": identities,
            "members": members,
            "plain": plain,
            "values_in_any_case": values_in_any_case,
        }

    def load(self) -> dict[str, Any]:
        """Give the functions that were added, by name."""
        return load("\n\n\n".join(self._source), self.names)

    def add(self, struct: Struct, descriptor: Descriptor) -> str:
        """Add a function that reads a message into a struct, and give its name."""
        name = f"read_{struct.__name__}"
        if name not in self.names:
            self.names[name] = None  # until it is loaded
            made = self._made(name, struct, [("message", descriptor)])
            self._add(f"{name}(message)", "return ", made)
        return name

    def add_list(self, struct: Struct, descriptor: Descriptor) -> str:
        """Add a function that reads messages into structs, and give its name."""
        name = f"read_each_{struct.__name__}"
        if name not in self.names:
            self.names[name] = None  # until it is loaded
            made = self._made(name, struct, [("message", descriptor)])
            # A slice is a list, which takes half as long to go through.
            made[-1] += " for message in messages[:]]"
            self._add(f"{name}(messages)", "return [", made)
        return name

    def add_data(
        self,
        name: str,
        struct: Struct,
        parts: dict[str, Descriptor | None],
        whole: Reader | None,
    ) -> None:
        """Add a function that reads members of a message together into one struct.

        With ``whole`` it is a ``PartOfEvent``, which reads the rest by that function.
        """
        before = [f"{part} = message.{part}" for part in parts]
        known = [(part, one) for part, one in parts.items() if one is not None]
        made = self._made(name, struct, known, whole)
        self._add(f"{name}(message)", "return ", made, before)

    def _add(
        self, signature: str, opening: str, made: list[str], before: Iterable[str] = ()
    ) -> None:
        body = [*before, opening + made[0], *made[1:]]
        lines = [f"def {signature}:", *(f"    {line}" for line in body)]
        self._source.append("\n".join(lines))

    def _made(
        self,
        name: str,
        struct: Struct,
        parts: list[tuple[str, Descriptor]],
        whole: Reader | None = None,
    ) -> list[str]:
        """Give the lines of the call that makes the struct of messages."""
        values: dict[str, str] = {}
        for place, descriptor in parts:
            for field, code in self._fields(struct, descriptor, place):
                values.setdefault(field, code)
        if self._wanted is None:
            self.names[struct.__name__] = struct
            members = [f"{field}={code}" for field, code in values.items()]
            return _call(struct.__name__, members)
        part = f"Part_{name}"
        self.names[part] = _part(struct, list(values), whole)
        message = [] if whole is None else ["message"]
        return _call(part, [*message, *values.values()])

    def _fields(
        self, struct: Struct, descriptor: Descriptor, place: str
    ) -> Iterator[tuple[str, str]]:
        hints, has = get_type_hints(struct), self._has(descriptor)
        for name in struct.__struct_fields__:
            field = descriptor.fields_by_name.get(name)
            if field is None:
                continue
            if self._is_wanted(struct, name, place):
                yield name, self._code(field, _struct_in(hints[name]), place, has)
            elif keys := self._keys(struct, name):
                one = _struct_in(hints[name])
                yield name, self._entries(field, one, keys, place)

    def _is_wanted(self, struct: Struct, name: str, place: str) -> bool:
        """Whether the field is wanted, under any name, or of messages at the place."""
        wanted = self._wanted
        owners = [place, *(one.__name__ for one in struct.__mro__)]
        return wanted is None or any(f"{owner}.{name}" in wanted for owner in owners)

    def _keys(self, struct: Struct, name: str) -> list[str]:
        """Give the keys of the entries of a map that are wanted."""
        owners = tuple(f"{one.__name__}.{name}[" for one in struct.__mro__)
        wanted = sorted(one for one in self._wanted or () if one.startswith(owners))
        return [one.partition("[")[2].removesuffix("]") for one in wanted]

    def _code(
        self, field: FieldDescriptor, struct: Struct | None, place: str, has: str
    ) -> str:
        """Give the expression that reads one field of the message at ``place``.

        ``has`` names what tells whether a field of that message is set.
        """
        at, is_set = f"{place}.{field.name}", f"{has}({place}, {field.name!r})"
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
        if field.is_repeated:
            read = "identities" if struct is None else self.add_list(struct, kind)
            return f"{read}(several) if (several := {at}) else None"
        if struct is None:
            return f"members({at}) if {is_set} else None"
        inner = f"{place}_{field.name}"
        made = "\n    ".join(self._made(f"read_{inner}", struct, [(inner, kind)]))
        # In place: a function of its own would be one more call.
        return f"{made} if {is_set} and ({inner} := {at}) is not None else None"

    def _has(self, message: Descriptor) -> str:
        """Name ``HasField`` of the message's class: found so in half the time."""
        name = f"{message.name}_has"
        self.names[name] = GetMessageClass(message).HasField
        return name

    def _enum(self, name: str, enum: EnumDescriptor, place: str) -> str:
        self.names[enum.name] = spellings(enum)
        self.names[f"{name}_of_{enum.name}"] = enum_reader(name, enum)
        return f"{enum.name}.get({place}.{name}) or {name}_of_{enum.name}({place})"

    def _map(self, value: FieldDescriptor, struct: Struct | None, at: str) -> str:
        if value.message_type is AttributeValue.DESCRIPTOR:
            return f"each_value(plain, {at})"
        if value.message_type is None:
            return f"dict({at}) or None"
        read = "members" if struct is None else self.add(struct, value.message_type)
        return f"each_value({read}, {at})"

    def _entries(
        self, field: FieldDescriptor, one: Struct | None, keys: list[str], place: str
    ) -> str:
        """Give the expression that reads some entries of the map at ``place``."""
        at, known = f"{place}.{field.name}", f"{field.name}_read"
        value = _value_of(field)
        if one is not None and value is not None:
            self.names[known] = frozenset(key.strip().lower() for key in keys)
            return f"values_in_any_case({self.add(one, value)}, {at}, {known})"
        read = "attributes" if value is AttributeValue.DESCRIPTOR else "entries"
        self.names[known] = tuple(keys)
        if field.name == "user_attributes":
            self.names[known] = frozenset(keys).union(key.lower() for key in keys)
            read = "attributes_in_any_case"
        return f"{read}({at}, {known})"


def _value_of(field: FieldDescriptor) -> Descriptor | None:
    """Give the message that the values of a map are, if they are messages."""
    entry = field.message_type
    return None if entry is None else entry.fields_by_name["value"].message_type


def _struct_in(hint: Any) -> Struct | None:
    """Find the struct that a field's type holds, behind lists, maps and unions."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint
    return next(
        (found for part in get_args(hint) if (found := _struct_in(part)) is not None),
        None,
    )


def _call(name: str, members: Iterable[str]) -> list[str]:
    return [f"{name}(", *(f"    {member}," for member in members), ")"]


def _part(struct: Struct, fields: list[str], whole: Reader | None) -> Struct:
    """Give a struct of only these fields, in this order; the others are ``None``."""
    others = dict.fromkeys(set(struct.__struct_fields__).difference(fields))
    return msgspec.defstruct(
        struct.__name__,
        [(field, Any, None) for field in fields],
        bases=(msgspec.Struct if whole is None else PartOfEvent,),
        namespace=others | ({} if whole is None else {"read": staticmethod(whole)}),
        gc=False,
    )
