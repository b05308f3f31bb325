"""Which TikTok event an mParticle event becomes by itself, without a custom mapping."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.outcome import (
    Drop,
    DropReason,
    MappingWarning,
    WarningCode,
)
from tokferry_server.mapping.paths import first_of
from tokferry_server.mapping.rules.texts import as_text
from tokferry_server.mapping.tables import read_table
from tokferry_server.mparticle.model import EventData, Product
from tokferry_server.tiktok.names import APP_EVENTS, RETIRING_EVENTS, STANDARD_EVENTS

_ROKT_FLAG = "Rokt.CommerceEventType"
_PROMOTION_VIEW = ("view", "1")  # the Web SDK writes 1
_SNAKE_BOUNDARY = re.compile(r"(?<=[a-z])(?=[A-Z])")

_ACTION = "event.product_action.action"
_PRODUCTS = "event.product_action.products"

Listed = tuple[str, Product]
"""A product's path in the event, its place, and the product."""
Listing = Callable[[EventData], list[Listed]]


@dataclass(frozen=True, slots=True)
class Native:
    """What an event becomes: a TikTok name, or why it becomes none.

    ``path`` is the mParticle path that decided. ``products`` lists what the contents
    are made of; only commerce events have it. ``warnings`` go with every such event.
    """

    name: str
    path: str
    drop: Drop | None = None
    products: Listing | None = None
    warnings: tuple[MappingWarning, ...] = ()


class NativeEvents:
    """The native mapping of events, for one connection."""

    def __init__(self, connection: Connection) -> None:
        table = read_table("events.toml")
        column = _column(connection)
        extended = connection.native_events == "extended"
        self._extended = extended
        self.commerce: dict[str, str] = _names(table["commerce"], column)
        if extended:
            self.commerce |= _names(table["extended_commerce"], column)
        self.extended: dict[str, str] = (
            _names(table["extended"], column) if extended else {}
        )
        self._actions = {
            action: _native(name, _ACTION, listed_products)
            for action, name in self.commerce.items()
        }
        self._rows = {
            row: _native(name, *_EXTENDED[row]) for row, name in self.extended.items()
        }
        self._standard = _by_spelling(
            APP_EVENTS if connection.event_source == "app" else STANDARD_EVENTS
        )
        self._foreign = _by_spelling(APP_EVENTS | STANDARD_EVENTS)

    def find(self, event_type: str, event: EventData) -> Native:
        """Say what the event becomes."""
        if event_type == "commerce_event":
            action = event.product_action
            if action is not None:
                return self._product_action(event, action.action)
            return self._commerce(event)
        if self._extended and event_type == "custom_event":
            return self._custom(event)
        if self._extended and event_type == "screen_view":
            return self._rows["screen view"]
        return _unsupported("event")

    def _commerce(self, event: EventData) -> Native:
        """Say what a commerce event becomes that is not about what was done."""
        if self._extended and event.promotion_action is not None:
            action = as_text(event.promotion_action.action) or ""
            if action.lower() not in _PROMOTION_VIEW:
                return _unsupported("event.promotion_action.action")
            return self._rows["promotion view"]
        if self._extended and event.product_impressions:
            return self._rows["product impression"]
        return _unsupported("event")

    def _product_action(self, event: EventData, action: Any) -> Native:
        native = self._actions.get(action) if type(action) is str else None
        if native is None:
            native = self._actions.get((as_text(action) or "").lower())
        if native is not None:
            return native
        if self._extended and _rokt(event) == "add_payment_info":
            return self._rows[_PAYMENT_INFO]
        return _unsupported(_ACTION)

    def _custom(self, event: EventData) -> Native:
        given = as_text(event.event_name) or ""
        name = self._standard.get(given)
        if name is not None:
            return _native(name, "event.event_name")
        attribution = f"custom event {given.lower()}"
        if attribution in ("custom event attribution", "custom event re-engagement"):
            return self._rows[attribution]
        if (as_text(event.custom_event_type) or "").lower() == "search":
            return self._rows["custom event of type search"]
        if given in self._foreign:
            return _native("", "event.event_name")
        return _unsupported("event.event_name")


def _column(connection: Connection) -> int:
    if connection.event_source == "web":
        return 1 if connection.event_names == "mparticle" else 2
    return 3 if connection.event_source == "app" else 4


def _names(rows: list[list[str]], column: int) -> dict[str, str]:
    """MParticle's event → TikTok's name in that column, empty if it is not sent."""
    return {row[0]: row[column] for row in rows}


def _by_spelling(names: frozenset[str]) -> Mapping[str, str]:
    """A standard name as it is, and in snake case → the name."""
    return {spelling: name for name in names for spelling in (name, snake_case(name))}


def snake_case(name: str) -> str:
    """``AddToCart`` → ``add_to_cart``; ``InAppADClick`` → ``in_app_adclick``."""
    return _SNAKE_BOUNDARY.sub("_", name).lower()


def _native(name: str, path: str, products: Listing | None = None) -> Native:
    """Give what has this name in the connection's column; an empty one is not sent."""
    drop = None if name else Drop(DropReason.UNSUPPORTED_FOR_SOURCE, path)
    retiring = MappingWarning(WarningCode.EVENT_NAME_RETIRING, path)
    warnings = (retiring,) if name in RETIRING_EVENTS else ()
    return Native(name, path, drop, products, warnings)


@cache
def _unsupported(path: str) -> Native:
    return Native("", path, Drop(DropReason.UNSUPPORTED_EVENT, path))


def _rokt(event: EventData) -> str | None:
    flags: Any = event.custom_flags
    return first_of(flags.get(_ROKT_FLAG)) if isinstance(flags, dict) else None


def listed_products(event: EventData) -> list[Listed]:
    """Give the products of the event's product action, with their places."""
    action = event.product_action
    products: Any = (action and action.products) or ()
    listed = list(zip(_places(len(products)), products))  # noqa: B905  # strict is slow
    return listed if all(products) else [one for one in listed if one[1] is not None]


@lru_cache(maxsize=16)
def _places(count: int) -> Sequence[str]:
    return [f"{_PRODUCTS}[{index}]" for index in range(count)]


def _listed_impressions(event: EventData) -> list[Listed]:
    return [
        (f"event.product_impressions[{outer}].products[{index}]", product)
        for outer, shown in enumerate(event.product_impressions or ())
        for index, product in enumerate((shown and shown.products) or ())
        if product is not None
    ]


def _listed_promotions(event: EventData) -> list[Listed]:
    action = event.promotion_action
    return [
        (
            f"event.promotion_action.promotions[{index}]",
            Product(id=promotion.id, name=promotion.name),
        )
        for index, promotion in enumerate((action and action.promotions) or ())
        if promotion is not None
    ]


_PAYMENT_INFO = f"flag {_ROKT_FLAG} = add_payment_info"
_EXTENDED: dict[str, tuple[str, Listing | None]] = {
    _PAYMENT_INFO: (f"event.custom_flags['{_ROKT_FLAG}']", listed_products),
    "promotion view": ("event.promotion_action.action", _listed_promotions),
    "product impression": ("event.product_impressions", _listed_impressions),
    "custom event of type search": ("event.custom_event_type", None),
    "screen view": ("event.screen_name", None),
    "custom event attribution": ("event.event_name", None),
    "custom event re-engagement": ("event.event_name", None),
}
"""Row of ``events.toml`` → the path that decides, and what lists its products."""
