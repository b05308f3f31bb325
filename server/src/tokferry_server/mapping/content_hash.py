"""An event id made from an event's content, for events that bring none.

The same event always gives the same id, so that a resent batch counts once. The
version prefix freezes the algorithm: a change of the canonical form needs a new one.
"""

import json
from base64 import b32encode
from hashlib import sha256
from typing import Any

from tokferry_server.mapping.outcome import DropReason
from tokferry_server.mapping.rules.amounts import as_number
from tokferry_server.mapping.rules.texts import as_text
from tokferry_server.mapping.rules.times import as_milliseconds
from tokferry_server.mapping.scope import Scope
from tokferry_server.mparticle.model import (
    EventData,
    PartOfEvent,
    Product,
    ProductAction,
)

PREFIX = "h1_"
_CHARACTERS = 26
_MAX_DEPTH = 32


class _TooDeepError(ValueError):
    """Attributes are nested deeper than ``_MAX_DEPTH`` levels."""


def content_hash(scope: Scope) -> str | None:
    """Give ``h1_`` and 26 characters of base 32, or ``None`` without an event time.

    The canonical form is JSON with sorted keys and no space, of: who (a digest of
    mpid, or of all identities sorted by type), event type and name, event time in
    milliseconds, session, event number, custom attributes, product action. Absent
    members are left out; numbers are written as the shortest double. Of byte-identical
    events in one batch the second and later ones get an ordinal, so that two real
    twins stay two.
    """
    time_ms = as_milliseconds(scope.event.timestamp_unixtime_ms)
    if not time_ms:
        return None
    try:
        canonical = _canonical(_content(scope, time_ms))
    except _TooDeepError:
        scope.refuse(DropReason.MALFORMED_EVENT, "event.custom_attributes")
        return None
    seen = scope.content_hashes
    ordinal = seen.get(canonical, 0)
    seen[canonical] = ordinal + 1
    if ordinal:
        canonical += b"#%d" % ordinal
    text = b32encode(sha256(canonical).digest()).decode().lower()
    return PREFIX + text[:_CHARACTERS]


def _content(scope: Scope, time_ms: int) -> dict[str, Any]:
    event = scope.event
    if isinstance(event, PartOfEvent):
        event = event.whole()
    return _present(
        who=_who(scope),
        type=scope.event_type,
        name=_name(scope.event_type, event),
        time=time_ms,
        session=as_text(event.session_id) or as_text(event.session_uuid),
        number=as_text(event.event_num),
        attributes=_plain(event.custom_attributes),
        product_action=_product_action(event),
    )


def _name(event_type: str, event: EventData) -> str | None:
    """A commerce event's own name is mParticle's addition to what a sender sent."""
    if event_type == "commerce_event":
        return None
    return as_text(event.event_name) or as_text(event.screen_name)


def _who(scope: Scope) -> str | None:
    mpid = as_text(scope.batch.mpid)
    if mpid is not None:
        return sha256(mpid.encode()).hexdigest()
    named = sorted(
        (name, text)
        for several in scope.identities.values()
        for name, value in several
        if (text := as_text(value)) is not None
    )
    return sha256(_canonical(named)).hexdigest() if named else None


def _product_action(event: EventData) -> dict[str, Any] | None:
    action = event.product_action
    if action is None:
        return None
    return _present(
        action=as_text(action.action),
        transaction_id=as_text(action.transaction_id),
        total_amount=as_number(action.total_amount),
        products=_products(action),
    )


def _products(action: ProductAction) -> list[dict[str, Any]] | None:
    return [
        _product(product) for product in action.products or () if product is not None
    ] or None


def _product(product: Product) -> dict[str, Any]:
    return _present(
        id=as_text(product.id),
        name=as_text(product.name),
        brand=as_text(product.brand),
        category=as_text(product.category),
        variant=as_text(product.variant),
        price=as_number(product.price),
        quantity=as_number(product.quantity),
    )


def _plain(value: Any, depth: int = 0) -> Any:
    """Give attributes with numbers as the shortest double, and without nulls."""
    if depth > _MAX_DEPTH:
        raise _TooDeepError
    if isinstance(value, dict):
        plain = {key: _plain(item, depth + 1) for key, item in value.items()}
        return {key: item for key, item in plain.items() if item is not None} or None
    if isinstance(value, list):
        items = [_plain(item, depth + 1) for item in value]
        return [item for item in items if item is not None] or None
    if isinstance(value, float):
        return as_number(value)
    return value


def _present(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _canonical(value: Any) -> bytes:
    return json.dumps(
        value, ensure_ascii=True, sort_keys=True, separators=(",", ":")
    ).encode()
