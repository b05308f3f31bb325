"""Makes the TikTok properties of an event by one custom mapping."""

from collections.abc import Iterable, Iterator
from typing import Any

from tokferry_server.mapping import commerce
from tokferry_server.mapping.custom.compile import Compiled, Setter
from tokferry_server.mapping.native import Listed
from tokferry_server.mapping.outcome import Drop, DropReason
from tokferry_server.mapping.scope import Scope
from tokferry_server.mapping.table import Step

Properties = dict[str, Any]

_NO_PRODUCTS = "event.product_action.products"
_NO_PRODUCT = f"{_NO_PRODUCTS}[0]"


def apply(
    compiled: Compiled, products: list[Listed], scope: Scope
) -> Iterator[Properties | Drop]:
    """Yield the properties of each TikTok event, or why one cannot be made."""
    if compiled.mapping.per == "event":
        yield _properties(compiled, products, scope)
        return
    if not products:
        yield Drop(DropReason.MISSING_REQUIRED_PROPERTY, _NO_PRODUCTS)
    for product in products:
        yield _properties(compiled, [product], scope)


def _properties(
    compiled: Compiled, products: list[Listed], scope: Scope
) -> Properties | Drop:
    properties: Properties = {}
    contents: list[dict[str, Any]] = []
    is_commerce = scope.event_type == "commerce_event"
    if is_commerce:
        _run(compiled.commerce_steps, properties, scope)
        contents = commerce.list_contents(compiled.product_steps, products, scope)
    scope.product = products[0][1] if products else None
    scope.mapping = compiled.mapping.name
    missing = next(_unset(compiled, products, properties, contents, scope), None)
    scope.mapping = None
    if missing is not None:
        return Drop(DropReason.MISSING_REQUIRED_PROPERTY, missing.path)
    if not is_commerce and any("content_id" in members for members in contents):
        _run(compiled.content_type_steps, properties, scope)
    commerce.finish(properties, contents, products, scope)
    return properties


def _run(steps: Iterable[Step], properties: Properties, scope: Scope) -> None:
    for step in steps:
        value = step.value(scope)
        if value is not None:
            properties[step.member] = value


def _unset(
    compiled: Compiled,
    products: list[Listed],
    properties: Properties,
    contents: list[dict[str, Any]],
    scope: Scope,
) -> Iterator[Setter]:
    """Set what the fields give; yield each required one that gives nothing."""
    for setter in compiled.setters:
        if setter.per_product:
            found = _set_each(setter, products, contents, scope)
        else:
            with commerce.naming(scope, products[0][0] if products else _NO_PRODUCT, 0):
                found = _set_one(setter, properties, contents, scope)
        if not found and setter.field.required:
            yield setter


def _set_one(
    setter: Setter,
    properties: Properties,
    contents: list[dict[str, Any]],
    scope: Scope,
) -> bool:
    """Set a property of the event, or of the first product's entry."""
    value = setter.value(scope)
    if value is None:
        return False
    if setter.known.in_contents:
        if not contents:
            contents.append({})
        contents[0][setter.known.member] = value
    else:
        properties[setter.known.member] = value
    return True


def _set_each(
    setter: Setter,
    products: list[Listed],
    contents: list[dict[str, Any]],
    scope: Scope,
) -> bool:
    """Set a member of every product's entry; say whether any product has it."""
    found = False
    while len(contents) < len(products):
        contents.append({})
    for index, (path, product) in enumerate(products):
        scope.product = product
        with commerce.naming(scope, path, index):
            value = setter.value(scope)
        if value is not None:
            contents[index][setter.known.member] = value
            found = True
    return found
