"""Compiles a custom mapping: its own fields, and the table's rows that go with them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tokferry_server.mapping.code.mapping import Order
from tokferry_server.mapping.custom.model import CustomMapping, FieldMapping
from tokferry_server.mapping.custom.properties import (
    Property,
    allowed_members,
    load_properties,
)
from tokferry_server.mapping.paths import Path, parse_path
from tokferry_server.mapping.rules import RULES, Rule
from tokferry_server.mapping.rules.absent import ABSENT
from tokferry_server.mapping.rules.texts import is_blank_text
from tokferry_server.mapping.scope import Scope
from tokferry_server.mapping.table import Plan, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Setter:
    """One field of a custom mapping, ready to be evaluated."""

    field: FieldMapping
    known: Property
    rule: Rule
    source: Path | None

    @property
    def path(self) -> str:
        """What stands for the field's origin: its path, or the setting."""
        return self.field.path or self._setting

    @property
    def per_product(self) -> bool:
        """Whether each product's entry gets a value of its own."""
        source = self.source
        return source is not None and self.known.in_contents and source.is_of_product

    @property
    def _setting(self) -> str:
        return f"setting.custom_mappings.fields.{self.field.name}"

    def value(self, scope: Scope) -> Any:
        """Give what is sent, from the path or the fixed value, else the default."""
        source = self.source
        given = self.field.value if source is None else source.get(scope)
        made = None
        if given is not None and not is_blank_text(given):
            scope.path = self.path
            if source is not None and source.is_of_product:
                scope.path = scope.place + source.below
            made = self.rule(given, scope)
        if made in (None, ABSENT) and self.field.default is not None:
            scope.path = self._setting
            made = self.rule(self.field.default, scope)
        if made in (None, ABSENT):
            return None
        if scope.origins is not None:
            tiktok = self.known.tiktok.replace("[*]", f"[{scope.entry}]")
            scope.note_origin(tiktok, self.field.rule or self.known.rule)
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """One custom mapping with the native rows that its TikTok event takes.

    ``content_type`` is the row that goes with the products' ids, whatever the event.
    """

    mapping: CustomMapping
    setters: tuple[Setter, ...]
    order: Order
    content_type: Order


def compile_mapping(
    mapping: CustomMapping, plan: Plan, compile_order: Callable[[Plan], Order]
) -> Compiled:
    """Compile one mapping; the plan is that of its connection."""
    members = allowed_members(mapping.event)
    # The order's total is not what one product of it is worth.
    skipped = {"value"} if mapping.per == "product" else set()
    return Compiled(
        mapping=mapping,
        setters=tuple(_setter(field) for field in mapping.fields),
        order=compile_order(
            replace(
                plan,
                commerce_steps=_kept(plan.commerce_steps, members - skipped),
                product_steps=_kept(plan.product_steps, members),
            )
        ),
        content_type=compile_order(
            replace(
                plan,
                commerce_steps=_kept(plan.commerce_steps, members & {"content_type"}),
                product_steps=(),
            )
        ),
    )


def _kept(steps: tuple[Step, ...], members: frozenset[str]) -> tuple[Step, ...]:
    return tuple(step for step in steps if step.member in members)


def _setter(field: FieldMapping) -> Setter:
    known = load_properties()[field.name]
    return Setter(
        field=field,
        known=known,
        rule=RULES[field.rule or known.rule],
        source=parse_path(field.path) if field.path is not None else None,
    )
