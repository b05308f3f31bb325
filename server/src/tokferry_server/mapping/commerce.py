"""The properties of an event: what its products' entries are, and what follows."""

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter

from msgspec.structs import replace

from tokferry_server.mapping.native import Listed
from tokferry_server.mapping.outcome import WarningCode, origin
from tokferry_server.mapping.rules.amounts import as_number
from tokferry_server.mapping.scope import Scope
from tokferry_server.tiktok.model import Content, Properties

_PRODUCT = "event.product_action.products[*]"
_ENTRY = re.compile(r"properties\.contents\[(\d+)\]")
_CONTENT_ID = attrgetter("content_id")
_NO_CONTENT = Content()
_NO_PROPERTIES = Properties()


def finish(
    properties: Properties,
    contents: list[Content],
    products: Sequence[Listed],
    scope: Scope,
) -> Properties | None:
    """Set ``contents`` and what follows from it: ids, a derived value, warnings.

    Entries that hold nothing are left out. Gives ``None`` when nothing is set at all.
    """
    ids = [*map(_CONTENT_ID, contents)]
    if None not in ids:
        properties.content_ids = ids or None
        properties.contents = contents or None
    else:
        properties.content_ids = [one for one in ids if one is not None] or None
        kept = [content for content in contents if content != _NO_CONTENT]
        properties.contents = kept or None
        _warn_of_missing_ids(contents, products, scope)
    if scope.connection.derive_value and properties.value is None:
        properties.value = _sum(contents)
        if properties.value is not None:
            scope.path = f"{_PRODUCT}.price + {_PRODUCT}.quantity"
            scope.note_origin("properties.value", "derive_value")
    if properties.value is not None and properties.currency is None:
        scope.warn(WarningCode.VALUE_WITHOUT_CURRENCY, "event.currency_code")
    if scope.origins is not None:
        _finish_origins(contents, scope)
    if properties.content_type is None and properties == _NO_PROPERTIES:
        return None
    return properties


def _warn_of_missing_ids(
    contents: Sequence[Content], products: Sequence[Listed], scope: Scope
) -> None:
    """Name each product that has an entry without an id."""
    for content, (place, _) in zip(contents, products, strict=False):
        if content.content_id is None and content != _NO_CONTENT:
            scope.warn(WarningCode.CONTENT_ID_MISSING, f"{place}.id")


def _finish_origins(contents: Sequence[Content], scope: Scope) -> None:
    """Number entries as they are sent, and say where the ids came from."""
    origins = scope.origins or []
    kept = [i for i, content in enumerate(contents) if content != _NO_CONTENT]
    if len(kept) < len(contents):
        places = {str(index): place for place, index in enumerate(kept)}
        for position, one in enumerate(origins):
            entry = _ENTRY.match(one.tiktok)
            if entry is not None:
                tiktok = f"properties.contents[{places[entry[1]]}]"
                tiktok += one.tiktok[entry.end() :]
                origins[position] = replace(one, tiktok=tiktok)
    last = {one.tiktok: one for one in origins}
    scope.origins = list(last.values())  # what overrides a value is its origin
    ids = _ids(len(kept))
    scope.origins += [
        origin("properties.content_ids", one.mparticle, "content_ids", one.mapping)
        for tiktok, one in last.items()
        if tiktok in ids
    ]


@lru_cache(maxsize=16)
def _ids(count: int) -> frozenset[str]:
    """Give the names that the ids of so many entries have."""
    return frozenset(f"properties.contents[{i}].content_id" for i in range(count))


def _sum(contents: Sequence[Content]) -> int | float | None:
    """Σ price times quantity in decimal, if every product has both."""
    pairs = [(content.price, content.quantity) for content in contents]
    if not pairs or any(None in pair for pair in pairs):
        return None
    total = sum(
        Decimal(repr(price)) * Decimal(repr(quantity)) for price, quantity in pairs
    )
    return as_number(str(total))
