"""The products of a commerce event, and what follows from them."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from tokferry_server.mapping.native import Listed
from tokferry_server.mapping.outcome import MappingWarning, Origin, WarningCode
from tokferry_server.mapping.rules.amounts import as_number
from tokferry_server.mapping.scope import Scope
from tokferry_server.mapping.table import Step
from tokferry_server.tiktok.model import Content

_PRODUCT = "event.product_action.products[*]"


def fill_contents(
    steps: Iterable[Step],
    products: Iterable[Listed],
    scope: Scope,
    properties: dict[str, Any],
) -> None:
    """Set ``contents`` and ``content_ids``; then look at the value and its currency."""
    steps = tuple(steps)
    contents: list[Content] = []
    sold: list[Content] = []
    ids: list[str] = []
    for path, product in products:
        scope.product = product
        members = _members(steps, scope, path, len(contents))
        content_id = members.pop("content_ids", None)
        if content_id is not None:
            ids.append(content_id)
        sold.append(Content(**members))
        if members:
            contents.append(sold[-1])
            if content_id is None:
                scope.warn(WarningCode.CONTENT_ID_MISSING, f"{path}.id")
    if contents:
        properties["contents"] = contents
    if ids:
        properties["content_ids"] = ids
    _fill_value(scope, properties, sold)


def _members(
    steps: Iterable[Step], scope: Scope, path: str, index: int
) -> dict[str, Any]:
    """Give the product's members; warnings and origins name its own path."""
    warned = len(scope.warnings)
    origins = scope.origins or []
    explained = len(origins)
    members = {
        step.member: value for step in steps if (value := step.value(scope)) is not None
    }
    for position in range(warned, len(scope.warnings)):
        code, field = scope.warnings[position].code, scope.warnings[position].field
        scope.warnings[position] = MappingWarning(code, field.replace(_PRODUCT, path))
    for position in range(explained, len(origins)):
        origin = origins[position]
        origins[position] = Origin(
            origin.tiktok.replace("[*]", f"[{index}]"),
            origin.mparticle.replace(_PRODUCT, path),
            origin.rule,
        )
    return members


def _fill_value(
    scope: Scope, properties: dict[str, Any], sold: list[Content]
) -> None:
    if scope.connection.derive_value and "value" not in properties:
        derived = _sum(sold)
        if derived is not None:
            properties["value"] = derived
    if "value" in properties and "currency" not in properties:
        scope.warn(WarningCode.VALUE_WITHOUT_CURRENCY, "event.currency_code")


def _sum(contents: list[Content]) -> int | float | None:
    """Σ price times quantity in decimal, if every product has both."""
    if not contents or any(
        content.price is None or content.quantity is None for content in contents
    ):
        return None
    total = sum(
        Decimal(repr(content.price)) * Decimal(repr(content.quantity))
        for content in contents
    )
    return as_number(str(total))
