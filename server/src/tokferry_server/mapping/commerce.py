"""The products of a commerce event, and what follows from them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from tokferry_server.mapping.native import Listed
from tokferry_server.mapping.outcome import MappingWarning, WarningCode
from tokferry_server.mapping.rules.amounts import as_number
from tokferry_server.mapping.scope import Scope
from tokferry_server.mapping.table import Step
from tokferry_server.tiktok.model import Content

Members = dict[str, Any]

_PRODUCT = "event.product_action.products[*]"
_ENTRY = re.compile(r"properties\.contents\[(\d+)\]")


def list_contents(
    steps: Sequence[Step], products: Iterable[Listed], scope: Scope
) -> list[Members]:
    """Give the members of each product's entry, empty where it has none."""
    contents = []
    for index, (path, product) in enumerate(products):
        scope.product = product
        with naming(scope, path, index):
            members = {
                step.member: value
                for step in steps
                if (value := step.value(scope)) is not None
            }
        contents.append(members)
    return contents


def finish(
    properties: Members,
    contents: Sequence[Members],
    products: Sequence[Listed],
    scope: Scope,
) -> None:
    """Set ``contents`` and what follows from it: ids, a derived value, warnings."""
    kept = [index for index, members in enumerate(contents) if members]
    for index in kept:
        if "content_id" not in contents[index] and index < len(products):
            scope.warn(WarningCode.CONTENT_ID_MISSING, f"{products[index][0]}.id")
    ids = [contents[index].get("content_id") for index in kept]
    if kept:
        properties["contents"] = [Content(**contents[index]) for index in kept]
    if any(ids):
        properties["content_ids"] = [one for one in ids if one is not None]
    if scope.connection.derive_value and "value" not in properties:
        derived = _sum(contents)
        if derived is not None:
            properties["value"] = derived
            scope.path = f"{_PRODUCT}.price + {_PRODUCT}.quantity"
            scope.note_origin("properties.value", "derive_value")
    if "value" in properties and "currency" not in properties:
        scope.warn(WarningCode.VALUE_WITHOUT_CURRENCY, "event.currency_code")
    _finish_origins(kept, scope)


@contextmanager
def naming(scope: Scope, path: str, index: int) -> Iterator[None]:
    """Make warnings and origins of the block name this product and its entry."""
    warned, explained = len(scope.warnings), len(scope.origins or ())
    yield
    for position in range(warned, len(scope.warnings)):
        code, field = scope.warnings[position].code, scope.warnings[position].field
        scope.warnings[position] = MappingWarning(code, _named(field, path))
    if scope.origins is None:
        return
    for position in range(explained, len(scope.origins)):
        origin = scope.origins[position]
        scope.origins[position] = replace(
            origin,
            tiktok=origin.tiktok.replace("[*]", f"[{index}]"),
            mparticle=_named(origin.mparticle, path),
        )


def _named(field: str, path: str) -> str:
    """Put the product's own path in place of the path of any product."""
    if field.startswith("product."):
        return f"{path}.{field.removeprefix('product.')}"
    return field.replace(_PRODUCT, path)


def _finish_origins(kept: Sequence[int], scope: Scope) -> None:
    """Number entries as they are sent, and say where the ids came from."""
    if scope.origins is None:
        return
    places = {str(index): str(place) for place, index in enumerate(kept)}
    for position, origin in enumerate(scope.origins):
        entry = _ENTRY.match(origin.tiktok)
        if entry is not None:
            tiktok = f"properties.contents[{places[entry[1]]}]"
            tiktok += origin.tiktok[entry.end() :]
            scope.origins[position] = replace(origin, tiktok=tiktok)
    last = {origin.tiktok: origin for origin in scope.origins}
    scope.origins = list(last.values())  # what overrides a value is its origin
    scope.origins.extend(
        replace(origin, tiktok="properties.content_ids", rule="content_ids")
        for origin in tuple(scope.origins)
        if origin.tiktok.startswith("properties.contents[")
        and origin.tiktok.endswith(".content_id")
    )


def _sum(contents: Sequence[Members]) -> int | float | None:
    """Σ price times quantity in decimal, if every product has both."""
    pairs = [(members.get("price"), members.get("quantity")) for members in contents]
    if not pairs or any(None in pair for pair in pairs):
        return None
    total = sum(
        Decimal(repr(price)) * Decimal(repr(quantity)) for price, quantity in pairs
    )
    return as_number(str(total))
