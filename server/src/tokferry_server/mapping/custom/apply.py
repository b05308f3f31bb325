"""Makes the TikTok events of an event that custom mappings match."""

from collections.abc import Sequence

from msgspec.structs import replace

from tokferry_server.mapping import commerce
from tokferry_server.mapping.custom.compile import Compiled
from tokferry_server.mapping.custom.matching import Found
from tokferry_server.mapping.native import Listed
from tokferry_server.mapping.outcome import (
    DropReason,
    MappedEvent,
    WarningCode,
    origin,
)
from tokferry_server.mapping.rules.event_id import numbered
from tokferry_server.mapping.scope import Scope
from tokferry_server.tiktok.model import Event, Properties
from tokferry_server.tiktok.names import RETIRING_EVENTS

_NO_PRODUCTS = "event.product_action.products"


def make_events(
    mappings: Sequence[Compiled], made: Event, scope: Scope, found: Found
) -> tuple[MappedEvent, ...]:
    """Make the events of every mapping found; the event is dropped if none can be.

    ``made`` is what they have in common.
    """
    base = scope.origins
    missing: str | None = None
    events: list[MappedEvent] = []
    counts: dict[str, int] = {}
    for position, products in found:
        compiled = mappings[position]
        name = compiled.mapping.event
        if name in RETIRING_EVENTS:
            scope.warn(WarningCode.EVENT_NAME_RETIRING, "event")
        parts = [products]
        if compiled.mapping.per == "product":
            parts = [[one] for one in products]
            missing = missing or (None if parts else _NO_PRODUCTS)
        for part in parts:
            if base is not None:
                named = origin("event", "event", "event", compiled.mapping.name)
                scope.origins = [*base, named]
            properties = _properties(compiled, part, scope)
            if isinstance(properties, str):
                missing = missing or properties
            else:
                counts[name] = count = counts.get(name, 0) + 1
                event = _named(made, name, count, properties)
                origins = tuple(scope.origins or ())
                events.append(MappedEvent(event, scope.time_ms, origins))
    if missing is not None and not events:
        scope.refuse(DropReason.MISSING_REQUIRED_PROPERTY, missing)
    return tuple(events)


def _properties(
    compiled: Compiled, products: Sequence[Listed], scope: Scope
) -> Properties | str | None:
    """Give the properties of one TikTok event, if any, or the path that it lacks."""
    is_commerce = scope.event_type == "commerce_event"
    properties = compiled.of_order(scope) if is_commerce else Properties()
    contents = compiled.of_products(scope, products) if is_commerce else []
    scope.mapping = compiled.mapping.name
    missing = compiled.set_fields(scope, products, properties, contents)
    scope.mapping = None
    if missing is not None:
        return missing
    if not is_commerce and any(one.content_id is not None for one in contents):
        properties.content_type = compiled.of_content_type(scope).content_type
    return commerce.finish(properties, contents, products, scope)


def _named(made: Event, name: str, count: int, properties: Properties | None) -> Event:
    """Give the ``count``-th event of one name: TikTok counts (name, id) once."""
    event_id = made.event_id and numbered(made.event_id, count)
    return replace(made, event=name, event_id=event_id, properties=properties)
