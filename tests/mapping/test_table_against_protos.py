"""Every member that a row writes exists in the TikTok protos, with a fitting type."""

from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tokferry.tiktok import v1 as tiktok
from tokferry_server.mapping.rules import RULES
from tokferry_server.mapping.table import Row, load_fields
from tokferry_server.tiktok import model, names

FITTING = {
    str: FieldDescriptor.CPPTYPE_STRING,
    bool: FieldDescriptor.CPPTYPE_BOOL,
    int: FieldDescriptor.CPPTYPE_INT64,
    float: FieldDescriptor.CPPTYPE_DOUBLE,
}
ROWS = load_fields().all


def field_at(descriptor: Descriptor, path: str) -> FieldDescriptor:
    """Give the field at ``user.email`` or ``properties.contents[*].price``."""
    *outer, last = path.split(".")
    for step in outer:
        field = descriptor.fields_by_name[step.removesuffix("[*]")]
        assert field.is_repeated == step.endswith("[*]"), path
        assert field.message_type is not None, path
        descriptor = field.message_type
    return descriptor.fields_by_name[last]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.tiktok)
def test_what_a_row_writes_exists_in_the_event(row: Row) -> None:
    assert field_at(tiktok.Event.DESCRIPTOR, row.tiktok).message_type is None


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.legacy], ids=lambda row: row.legacy
)
def test_what_a_row_writes_exists_in_the_legacy_event(row: Row) -> None:
    assert field_at(tiktok.LegacyEvent.DESCRIPTOR, row.legacy).message_type is None


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.tiktok)
def test_sources_and_rules_of_a_row_are_known(row: Row) -> None:
    assert row.sources
    assert set(row.sources) <= set(names.EVENT_SOURCES)
    assert not row.legacy or "web" in row.sources
    assert row.rule in RULES


def test_every_rule_is_used_by_a_row() -> None:
    assert RULES.keys() - {row.rule for row in ROWS} == set()


def members(
    struct: type[msgspec.Struct], descriptor: Descriptor
) -> Iterator[tuple[str, Any, FieldDescriptor | None]]:
    """Give each member of a struct, and of those inside, with its proto field."""
    for name, hint in get_type_hints(struct).items():
        field = descriptor.fields_by_name.get(name)
        yield f"{struct.__name__}.{name}", hint, field
        inner = struct_in(hint)
        if inner is not None and field is not None and field.message_type is not None:
            yield from members(inner, field.message_type)


def struct_in(hint: Any) -> type[msgspec.Struct] | None:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint
    found = (struct_in(part) for part in get_args(hint))
    return next((struct for struct in found if struct is not None), None)


@pytest.mark.parametrize(
    ("struct", "message"),
    [(model.Event, tiktok.Event), (model.LegacyEvent, tiktok.LegacyEvent)],
)
def test_every_member_of_the_model_exists_in_the_proto(
    struct: type[msgspec.Struct], message: Any
) -> None:
    seen = 0
    for path, hint, field in members(struct, message.DESCRIPTOR):
        assert field is not None, path
        kinds = {part for part in (hint, *get_args(hint)) if part in FITTING}
        if kinds:
            wanted = FITTING[float if float in kinds else kinds.pop()]
            assert field.cpp_type == wanted, path
        seen += 1

    assert seen > 20
