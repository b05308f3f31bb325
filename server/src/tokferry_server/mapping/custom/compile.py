"""Compiles a custom mapping: its own fields, and the table's rows that go with them."""

from dataclasses import dataclass, replace

from tokferry_server.mapping.code.mapping import OfOrder, OfProducts, compile_order
from tokferry_server.mapping.custom.fields import Fields, SetFields
from tokferry_server.mapping.custom.model import CustomMapping
from tokferry_server.mapping.custom.properties import allowed_members
from tokferry_server.mapping.table import Plan, Step
from tokferry_server.written import load


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """One custom mapping with the native rows that its TikTok event takes.

    ``of_content_type`` is the row that goes with the products' ids, whatever the event.
    """

    mapping: CustomMapping
    of_order: OfOrder
    of_products: OfProducts
    of_content_type: OfOrder
    set_fields: SetFields
    source: str


def compile_mapping(mapping: CustomMapping, plan: Plan, *, explain: bool) -> Compiled:
    """Compile one mapping; the plan is that of its connection."""
    members = allowed_members(mapping.event)
    # The order's total is not what one product of it is worth.
    skipped = {"value"} if mapping.per == "product" else set()
    order = replace(
        plan,
        commerce_steps=_kept(plan.commerce_steps, members - skipped),
        product_steps=_kept(plan.product_steps, members),
    )
    content_type = replace(
        plan,
        commerce_steps=_kept(plan.commerce_steps, members & {"content_type"}),
        product_steps=(),
    )
    fields = Fields(mapping, explain=explain)
    compiled = compile_order(order, explain=explain)
    return Compiled(
        mapping=mapping,
        of_order=compiled.of_order,
        of_products=compiled.of_products,
        of_content_type=compile_order(content_type, explain=explain).of_order,
        set_fields=load(fields.source, fields.names)["set_fields"],
        source=f"{compiled.source}\n\n{fields.source}",
    )


def _kept(steps: tuple[Step, ...], members: frozenset[str]) -> tuple[Step, ...]:
    return tuple(step for step in steps if step.member in members)
