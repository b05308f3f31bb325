"""Finds the custom mappings that an event matches, without trying every one."""

from collections.abc import Iterable
from typing import Any

from tokferry_server.mapping.custom.model import CustomMapping, Match, Values
from tokferry_server.mapping.native import Listed, listed_products
from tokferry_server.mapping.rules.texts import as_text
from tokferry_server.mparticle.model import EventData, Product

Found = list[tuple[int, list[Listed]]]
"""Indexes of the mappings that match, each with the products that do."""

_PRODUCT_ACTIONS = {"remove_from_wishlist": "remove_from_wish_list"}
"""mParticle spells it either way."""
_PROMOTION_ACTIONS = {"1": "view", "2": "click"}
"""The Web SDK sends numbers: PromotionType in
https://github.com/mParticle/mparticle-web-sdk/blob/master/src/types.ts"""


class CustomIndex:
    """The mappings of one connection, found by event type and name."""

    def __init__(self, mappings: Iterable[CustomMapping]) -> None:
        self._matches = [
            (_lower(mapping.match), mapping.is_default) for mapping in mappings
        ]
        self._by_key: dict[tuple[str | None, str | None], list[int]] = {}
        for index, (match, _) in enumerate(self._matches):
            key = (match.event_type, match.event_name)
            self._by_key.setdefault(key, []).append(index)

    def find(self, event_type: str, event: EventData) -> Found:
        """Give the mappings that match; defaults only if no other one does."""
        if not self._by_key:
            return []
        name = as_text(event.event_name) or as_text(event.screen_name)
        name = None if name is None else name.lower()
        keys = {(kind, one) for kind in (event_type, None) for one in (name, None)}
        candidates = sorted(i for key in keys for i in self._by_key.get(key, ()))
        found: list[tuple[int, list[Listed]]] = []
        for index in candidates:
            products = _products_if_met(self._matches[index][0], event)
            if products is not None:
                found.append((index, products))
        chosen = [pair for pair in found if not self._matches[pair[0]][1]]
        return chosen or found


def _products_if_met(match: Match, event: EventData) -> list[Listed] | None:
    """Give the products that match, or ``None`` if the event does not."""
    if match.action is not None and match.action != _action(event):
        return None
    if not _all_met(match.attributes, event.custom_attributes):
        return None
    products = listed_products(event)
    if not match.product and not match.product_attributes:
        return products
    return [one for one in products if _is_met(match, one[1])] or None


def _is_met(match: Match, product: Product) -> bool:
    return all(
        _one_met(getattr(product, name), values) for name, values in match.product
    ) and _all_met(match.product_attributes, product.custom_attributes)


def _all_met(conditions: Values, attributes: Any) -> bool:
    if not conditions:
        return True
    if not isinstance(attributes, dict):
        return False
    lower = {name.lower(): value for name, value in attributes.items()}
    return all(_one_met(lower.get(name.lower()), values) for name, values in conditions)


def _one_met(value: Any, wanted: tuple[str, ...]) -> bool:
    """Whether a value is one of those wanted; if none is named, any will do."""
    values = [
        _comparable(one) for one in (value if isinstance(value, list) else [value])
    ]
    return any(one in wanted if wanted else one is not None for one in values)


def _comparable(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = as_text(value)
    return None if text is None else text.lower()


def _action(event: EventData) -> str | None:
    """Give the action in the spelling that settings have."""
    if event.product_action is not None:
        action = _comparable(event.product_action.action)
        return _PRODUCT_ACTIONS.get(action or "", action)
    if event.promotion_action is not None:
        action = _comparable(event.promotion_action.action)
        return _PROMOTION_ACTIONS.get(action or "", action)
    return None


def _lower(match: Match) -> Match:
    """The same conditions in lower case, as they are compared."""
    return Match(
        event_type=match.event_type and match.event_type.lower(),
        event_name=match.event_name and match.event_name.strip().lower(),
        action=match.action and match.action.lower(),
        attributes=_lower_values(match.attributes),
        product=_lower_values(match.product),
        product_attributes=_lower_values(match.product_attributes),
    )


def _lower_values(values: Values) -> Values:
    return tuple(
        (name, tuple(text.strip().lower() for text in texts)) for name, texts in values
    )
