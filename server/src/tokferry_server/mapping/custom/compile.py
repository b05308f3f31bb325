"""Compiles a custom mapping into the steps of the table."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tokferry_server.mapping.custom.model import CustomMapping, FieldMapping
from tokferry_server.mapping.custom.properties import (
    Property,
    allowed_members,
    load_properties,
)
from tokferry_server.mapping.paths import Getter, parse_path
from tokferry_server.mapping.rules import RULES, Rule
from tokferry_server.mapping.rules.absent import ABSENT
from tokferry_server.mapping.rules.texts import is_blank_text
from tokferry_server.mapping.scope import Scope
from tokferry_server.mapping.table import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Setter:
    """One field of a custom mapping, ready to be evaluated."""

    field: FieldMapping
    known: Property
    rule: Rule
    get: Getter | None
    per_product: bool

    @property
    def path(self) -> str:
        """What stands for the field's origin: its path, or the setting."""
        return self.field.path or self._setting

    @property
    def _setting(self) -> str:
        return f"setting.custom_mappings.fields.{self.field.name}"

    def value(self, scope: Scope) -> Any:
        """Give what is sent, from the path or the fixed value, else the default."""
        given = self.field.value if self.get is None else self.get(scope)
        scope.path = self.path
        made = None if _is_absent(given) else self.rule(given, scope)
        if made in (None, ABSENT) and self.field.default is not None:
            scope.path = self._setting
            made = self.rule(self.field.default, scope)
        if made in (None, ABSENT):
            return None
        scope.note_origin(self.known.tiktok, self.field.rule or self.known.rule)
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """One custom mapping with the native rows that its TikTok event takes."""

    mapping: CustomMapping
    setters: tuple[Setter, ...]
    commerce_steps: tuple[Step, ...]
    product_steps: tuple[Step, ...]

    @property
    def content_type_steps(self) -> tuple[Step, ...]:
        """The row that goes with the products' ids, whatever the event."""
        return _kept(self.commerce_steps, {"content_type"})


def compile_mapping(
    mapping: CustomMapping, commerce: Iterable[Step], products: Iterable[Step]
) -> Compiled:
    """Compile one mapping; the steps are the connection's native ones."""
    members = allowed_members(mapping.event)
    # The order's total is not what one product of it is worth.
    skipped = {"value"} if mapping.per == "product" else set()
    return Compiled(
        mapping=mapping,
        setters=tuple(_setter(field) for field in mapping.fields),
        commerce_steps=_kept(commerce, members - skipped),
        product_steps=_kept(products, members),
    )


def _kept(
    steps: Iterable[Step], members: frozenset[str] | set[str]
) -> tuple[Step, ...]:
    return tuple(step for step in steps if step.member in members)


def _setter(field: FieldMapping) -> Setter:
    known = load_properties()[field.name]
    path = parse_path(field.path) if field.path is not None else None
    return Setter(
        field=field,
        known=known,
        rule=RULES[field.rule or known.rule],
        get=None if path is None else path.get,
        per_product=path is not None and known.in_contents and path.is_of_product,
    )


def _is_absent(value: Any) -> bool:
    return value is None or is_blank_text(value)
