"""The functions of one connection's mapping, compiled from the rows that it has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tokferry_server.mapping.code.functions import Functions
from tokferry_server.mapping.connection import EventSource
from tokferry_server.mapping.native import Listed
from tokferry_server.mapping.scope import Scope
from tokferry_server.mapping.table import Plan
from tokferry_server.tiktok import model as tiktok
from tokferry_server.written import load

OfOrder = Callable[[Scope], tiktok.Properties]
OfProducts = Callable[[Scope, Sequence[Listed]], list[tiktok.Content]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What makes the properties of commerce events, and the entry of each product."""

    of_order: OfOrder
    of_products: OfProducts
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What makes events: of each batch its part, then of each event the rest."""

    of_batch: Callable[[Scope], tuple[Any, ...]]
    of_event: Callable[..., tiktok.Event]
    source: str


def compile_code(plan: Plan, source: EventSource, *, explain: bool) -> Code:
    """Compile the rows that every event has."""
    functions = Functions(explain=explain)
    functions.add_batch(plan.batch_steps)
    functions.add_event(plan.batch_steps, plan.event_steps, source)
    made = load(functions.source, functions.names)
    return Code(
        of_batch=made["of_batch"],
        of_event=made["of_event"],
        source=functions.source,
    )


def compile_order(plan: Plan, *, explain: bool) -> Order:
    """Compile the rows that commerce events have besides."""
    functions = Functions(explain=explain)
    functions.add_order(plan.commerce_steps)
    functions.add_products(plan.product_steps)
    made = load(functions.source, functions.names)
    return Order(
        of_order=made["of_order"],
        of_products=made["of_products"],
        source=functions.source,
    )
