"""Every field that the mapping reads exists in the mParticle protos, and fits."""

from collections.abc import Iterator
from typing import get_args, get_type_hints

import msgspec
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tokferry.mparticle import v1 as mparticle
from tokferry_server.mparticle import model
from tokferry_server.mparticle.identities import IDENTITY_TYPES

ANY_SHAPE = frozenset(
    {
        "BatchData.attribution_info",
        "BatchData.context",
        "EventData.lifetime_value_change",
        "EventData.location",
        "EventData.response_code",
    }
)
"""Read whatever shape they have: only custom mappings look into them, and a wrong
shape there is no reason to lose the event."""

JSON_ONLY = {
    "EventData.event_type": "some samples have it in data; the proto has it once",
    "EventData.device_info": "mParticle's page names it; no published batch has it",
    "ProductAction.currency": "mParticle's page names it; no published batch has it",
}
"""What exists in JSON alone, and why."""


def message_type(field: FieldDescriptor) -> Descriptor:
    assert field.message_type is not None
    return field.message_type


_EVENT_CASES = [
    message_type(field)
    for field in mparticle.Event.DESCRIPTOR.oneofs_by_name["data"].fields
]


def struct_in(hint: object) -> type[msgspec.Struct] | None:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint
    found = (struct_in(part) for part in get_args(hint))
    return next((struct for struct in found if struct is not None), None)


def pairs() -> Iterator[tuple[str, object, list[FieldDescriptor]]]:
    """Give each struct field with every proto field that it may be read from."""
    yield from below(model.BatchData, [mparticle.Batch.DESCRIPTOR])
    yield from below(model.EventData, [mparticle.EventInfo.DESCRIPTOR, *_EVENT_CASES])


def below(
    struct: type[msgspec.Struct], descriptors: list[Descriptor]
) -> Iterator[tuple[str, object, list[FieldDescriptor]]]:
    for name, hint in get_type_hints(struct).items():
        fields = [
            found for one in descriptors if (found := one.fields_by_name.get(name))
        ]
        yield f"{struct.__name__}.{name}", hint, fields
        inner = struct_in(hint)
        if inner is not None and fields:
            yield from below(inner, [value_type(field) for field in fields])


def value_type(field: FieldDescriptor) -> Descriptor:
    kind = message_type(field)
    if kind.GetOptions().map_entry:
        return message_type(kind.fields_by_name["value"])
    return kind


@pytest.mark.parametrize(
    ("path", "hint", "fields"), list(pairs()), ids=[path for path, _, _ in pairs()]
)
def test_a_field_of_the_model_exists_in_the_protos(
    path: str, hint: object, fields: list[FieldDescriptor]
) -> None:
    if path in JSON_ONLY:
        assert fields == []
        return
    assert fields, path
    for field in fields:
        kinds = {getattr(part, "__origin__", part) for part in get_args(hint)}
        has_container = bool({dict, list} & kinds)
        assert has_container == field.is_repeated, path
        if struct_in(hint) is not None:
            assert field.message_type is not None, path
        elif not has_container and path not in ANY_SHAPE:
            assert field.message_type is None, path


def test_the_list_of_exceptions_names_fields_of_the_model() -> None:
    assert JSON_ONLY.keys() <= {path for path, _, _ in pairs()}


def test_identity_types_are_those_of_the_proto() -> None:
    prefix = "IDENTITY_TYPE_"
    spelled = [
        name.removeprefix(prefix).lower()
        for name in mparticle.IdentityType.DESCRIPTOR.values_by_name
        if name != f"{prefix}UNSPECIFIED"
    ]

    assert sorted(spelled) == sorted(IDENTITY_TYPES)


def test_every_enum_that_is_read_keeps_spellings_it_does_not_know() -> None:
    for path, _, fields in pairs():
        for field in fields:
            if field.enum_type is not None:
                assert field.containing_type is not None
                beside = field.containing_type.fields_by_name
                assert f"unrecognized_{field.name}" in beside, path
