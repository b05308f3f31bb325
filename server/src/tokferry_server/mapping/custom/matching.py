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

_Candidate = tuple[int, Match, bool]
"""A mapping's index, its conditions in lower case, and whether it is a default."""


class _ByAction:
    """Mappings for events of one type and name: by action, or for any action."""

    def __init__(self) -> None:
        self._named: dict[str, list[_Candidate]] = {}
        self._any: list[_Candidate] = []

    def add(self, candidate: _Candidate) -> None:
        action = candidate[1].action
        if action is None:
            self._any.append(candidate)
        else:
            self._named.setdefault(action, []).append(candidate)

    def find(self, event: EventData) -> list[_Candidate]:
        action = _action(event) if self._named else None
        found = None if action is None else self._named.get(action)
        return self._any if found is None else self._any + found


class _ByName:
    """Mappings for events of one type: by name, or for any name."""

    def __init__(self) -> None:
        self._named: dict[str, _ByAction] = {}
        self._any = _ByAction()

    def add(self, candidate: _Candidate) -> None:
        name = candidate[1].event_name
        if name is None:
            self._any.add(candidate)
        else:
            self._named.setdefault(name, _ByAction()).add(candidate)

    def find(self, event: EventData) -> list[_Candidate]:
        found = self._any.find(event)
        if self._named:
            name = as_text(event.event_name) or as_text(event.screen_name)
            named = None if name is None else self._named.get(name.lower())
            if named is not None:
                return found + named.find(event)
        return found


class CustomIndex:
    """The mappings of one connection, found by event type, name and action."""

    def __init__(self, mappings: Iterable[CustomMapping]) -> None:
        self._by_type: dict[str | None, _ByName] = {}
        for index, mapping in enumerate(mappings):
            match = _lower(mapping.match)
            by_name = self._by_type.setdefault(match.event_type, _ByName())
            by_name.add((index, match, mapping.is_default))

    def find(self, event_type: str, event: EventData) -> Found:
        """Give the mappings that match; defaults only if no other one does."""
        candidates = [
            candidate
            for kind in (event_type, None)
            if kind in self._by_type
            for candidate in self._by_type[kind].find(event)
        ]
        chosen: Found = []
        defaults: Found = []
        for index, match, is_default in sorted(candidates, key=_index):
            products = _products_if_met(match, event)
            if products is not None:
                (defaults if is_default else chosen).append((index, products))
        return chosen or defaults


def _index(candidate: _Candidate) -> int:
    return candidate[0]


def _products_if_met(match: Match, event: EventData) -> list[Listed] | None:
    """Give the products that match, or ``None`` if the event does not."""
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
    if type(value) is str and value.islower() and value.isidentifier():
        return value  # as nearly all actions are written
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
