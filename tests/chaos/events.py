"""Numbered purchases as mParticle JSON, and how to know them again at TikTok's side."""

import re
from typing import Final

TIME_MS: Final = 1_790_000_000_000
_EVENT: Final = (
    '{"event_type":"commerce_event","data":{"timestamp_unixtime_ms":%d,%s%s'
    '"currency_code":"EUR",'
    '"custom_flags":{"TikTok.URL":"https://shop.example.com/thanks"},'
    '"product_action":{"action":"purchase","transaction_id":"order-%d",'
    '"total_amount":19.5,"products":[{"id":"sku-1","price":9.75,"quantity":2}]}}}'
)
_BATCH: Final = (
    '{"environment":"production",'
    '"user_identities":{"email":"jane.doe@example.com"},"ip":"203.0.113.7",'
    '"device_info":{"http_header_user_agent":"ExampleBrowser/1.0"},"events":[%s]}'
)
_ORDER: Final = re.compile(rb'"order_id":"order-(\d+)"')
_HASHED_FROM: Final = 3
_OF: Final = 4


def own_id(number: int) -> str | None:
    """Give the id that an event comes with; every fourth gets one of its content."""
    return None if number % _OF == _HASHED_FROM else f"message-{number}"


def chunk_json(first: int, count: int, pad: int = 0) -> bytes:
    """Give one batch with the events ``first`` … ``first + count - 1``.

    Each has an attribute of ``pad`` bytes of which the mapping makes nothing.
    """
    more = f'"custom_attributes":{{"note":"{"x" * pad}"}},' if pad else ""
    events = (_event(number, more) for number in range(first, first + count))
    return (_BATCH % ",".join(events)).encode()


def number_of(body: bytes) -> int:
    """Give the number of the event that a TikTok event was made of; -1: unknown."""
    found = _ORDER.search(body)
    return int(found[1]) if found else -1


def _event(number: int, more: str) -> str:
    own = own_id(number)
    member = "" if own is None else f'"source_message_id":"{own}",'
    return _EVENT % (TIME_MS + number, member, more, number)
