"""Which TikTok event an mParticle event becomes by itself, without a custom mapping."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.outcome import DropReason
from tokferry_server.mapping.paths import first_of
from tokferry_server.mapping.rules.texts import as_text
from tokferry_server.mapping.tables import read_table
from tokferry_server.mparticle.model import EventData, Product, Promotion
from tokferry_server.tiktok.names import APP_EVENTS, STANDARD_EVENTS

_ROKT_FLAG = "Rokt.CommerceEventType"
_PROMOTION_VIEW = ("view", "1")  # the Web SDK writes 1
_SNAKE_BOUNDARY = re.compile(r"(?<=[a-z])(?=[A-Z])")

Listed = tuple[str, Product]
"""A product and its path in the event."""


@dataclass(frozen=True, slots=True)
class Native:
    """What an event becomes: a TikTok name with its products, or a reason why not.

    ``path`` is the mParticle path that decided.
    """

    name: str | None
    path: str
    reason: DropReason | None = None
    products: list[Listed] = field(default_factory=list)
    is_commerce: bool = False


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
        self._standard = _by_spelling(
            APP_EVENTS if connection.event_source == "app" else STANDARD_EVENTS
        )
        self._foreign = _by_spelling(APP_EVENTS | STANDARD_EVENTS)

    def find(self, event_type: str, event: EventData) -> Native:
        """Say what the event becomes."""
        if event_type == "commerce_event":
            return self._commerce(event)
        if self._extended and event_type == "custom_event":
            return self._custom(event)
        if self._extended and event_type == "screen_view":
            return self._row("screen view", "event.screen_name")
        return _unsupported("event")

    def _commerce(self, event: EventData) -> Native:
        if event.product_action is not None:
            return self._product_action(event)
        if self._extended and event.promotion_action is not None:
            path = "event.promotion_action.action"
            action = as_text(event.promotion_action.action) or ""
            if action.lower() not in _PROMOTION_VIEW:
                return _unsupported(path)
            promotions = list(_promotions(event.promotion_action.promotions))
            return self._row("promotion view", path, promotions, is_commerce=True)
        if self._extended and event.product_impressions:
            return self._row(
                "product impression",
                "event.product_impressions",
                list(_impressions(event)),
                is_commerce=True,
            )
        return _unsupported("event")

    def _product_action(self, event: EventData) -> Native:
        path = "event.product_action.action"
        action = event.product_action
        spelling = (as_text(action and action.action) or "").lower()
        products = listed_products(event)
        name = self.commerce.get(spelling)
        if name is None and self._extended and _rokt(event) == "add_payment_info":
            return self._row(
                f"flag {_ROKT_FLAG} = add_payment_info",
                f"event.custom_flags['{_ROKT_FLAG}']",
                products,
                is_commerce=True,
            )
        return _named(name, path, products)

    def _custom(self, event: EventData) -> Native:
        path = "event.event_name"
        given = as_text(event.event_name) or ""
        name = self._standard.get(given)
        if name is not None:
            return Native(name, path)
        attribution = f"custom event {given.lower()}"
        if attribution in ("custom event attribution", "custom event re-engagement"):
            return self._row(attribution, path)
        if (as_text(event.custom_event_type) or "").lower() == "search":
            return self._row("custom event of type search", "event.custom_event_type")
        if given in self._foreign:
            return Native(None, path, DropReason.UNSUPPORTED_FOR_SOURCE)
        return _unsupported(path)

    def _row(
        self,
        row: str,
        path: str,
        products: list[Listed] | None = None,
        *,
        is_commerce: bool = False,
    ) -> Native:
        name = self.extended.get(row) or None
        reason = None if name else DropReason.UNSUPPORTED_FOR_SOURCE
        return Native(name, path, reason, products or [], is_commerce)


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


def _named(name: str | None, path: str, products: list[Listed]) -> Native:
    if name is None:
        return _unsupported(path)
    reason = None if name else DropReason.UNSUPPORTED_FOR_SOURCE
    return Native(name or None, path, reason, products, is_commerce=True)


def _unsupported(path: str) -> Native:
    return Native(None, path, DropReason.UNSUPPORTED_EVENT)


def _rokt(event: EventData) -> str | None:
    flags: Any = event.custom_flags
    return first_of(flags.get(_ROKT_FLAG)) if isinstance(flags, dict) else None


def listed_products(event: EventData) -> list[Listed]:
    """Give the products of the event's product action, with their paths."""
    action = event.product_action
    return [
        (f"event.product_action.products[{index}]", product)
        for index, product in enumerate((action and action.products) or ())
        if product is not None
    ]


def _impressions(event: EventData) -> Iterator[Listed]:
    for outer, shown in enumerate(event.product_impressions or ()):
        for index, product in enumerate((shown and shown.products) or ()):
            if product is not None:
                yield f"event.product_impressions[{outer}].products[{index}]", product


def _promotions(promotions: list[Promotion | None] | None) -> Iterator[Listed]:
    for index, promotion in enumerate(promotions or ()):
        if promotion is not None:
            product = Product(id=promotion.id, name=promotion.name)
            yield f"event.promotion_action.promotions[{index}]", product
