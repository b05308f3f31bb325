"""Makes the TikTok properties of an event by one custom mapping."""

from collections.abc import Iterator

from tokferry_server.mapping import commerce
from tokferry_server.mapping.custom.compile import Compiled, Setter
from tokferry_server.mapping.native import Listed
from tokferry_server.mapping.outcome import Drop, DropReason
from tokferry_server.mapping.scope import Scope
from tokferry_server.tiktok.model import Content, Properties

_NO_PRODUCTS = "event.product_action.products"
_NO_PRODUCT = f"{_NO_PRODUCTS}[0]"


def apply(
    compiled: Compiled, products: list[Listed], scope: Scope
) -> Iterator[Properties | Drop | None]:
    """Yield the properties of each TikTok event, if any, or why it cannot be made."""
    if compiled.mapping.per == "event":
        yield _properties(compiled, products, scope)
        return
    if not products:
        yield Drop(DropReason.MISSING_REQUIRED_PROPERTY, _NO_PRODUCTS)
    for product in products:
        yield _properties(compiled, [product], scope)


def _properties(
    compiled: Compiled, products: list[Listed], scope: Scope
) -> Properties | Drop | None:
    properties = Properties()
    contents: list[Content] = []
    is_commerce = scope.event_type == "commerce_event"
    if is_commerce:
        properties = compiled.order.of_order(scope)
        contents = compiled.order.of_products(scope, products)
    scope.place, scope.product = products[0] if products else (_NO_PRODUCT, None)
    scope.mapping = compiled.mapping.name
    missing = None
    for setter in compiled.setters:
        if not _set(setter, products, properties, contents, scope):
            missing = setter.path
            break
    scope.mapping = None
    if missing is not None:
        return Drop(DropReason.MISSING_REQUIRED_PROPERTY, missing)
    if not is_commerce and any(one.content_id is not None for one in contents):
        content_type = compiled.content_type.of_order(scope).content_type
        properties.content_type = content_type
    return commerce.finish(properties, contents, products, scope)


def _set(
    setter: Setter,
    products: list[Listed],
    properties: Properties,
    contents: list[Content],
    scope: Scope,
) -> bool:
    """Set what the field gives; say whether that will do."""
    if setter.per_product:
        found = _set_each(setter, products, contents, scope)
    else:
        found = _set_one(setter, properties, contents, scope)
    return found or not setter.field.required


def _set_one(
    setter: Setter, properties: Properties, contents: list[Content], scope: Scope
) -> bool:
    """Set a property of the event, or of the first product's entry."""
    scope.entry = 0
    value = setter.value(scope)
    if value is None:
        return False
    if setter.known.in_contents:
        if not contents:
            contents.append(Content())
        setattr(contents[0], setter.known.member, value)
    else:
        setattr(properties, setter.known.member, value)
    return True


def _set_each(
    setter: Setter, products: list[Listed], contents: list[Content], scope: Scope
) -> bool:
    """Set a member of every product's entry; say whether any product has it."""
    found = False
    while len(contents) < len(products):
        contents.append(Content())
    for entry, (place, product) in enumerate(products):
        scope.entry, scope.place, scope.product = entry, place, product
        value = setter.value(scope)
        if value is not None:
            setattr(contents[entry], setter.known.member, value)
            found = True
    return found
