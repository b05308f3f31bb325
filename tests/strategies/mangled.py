"""Writes a batch as JSON as no schema has it: other types, other members, bad bytes.

Made from a batch that was written properly, so that most of it still makes sense.
"""

import json
from random import Random
from typing import Any

from strategies.chance import rarely, seldom

_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 2.0, 0.5, -3, 2**53, 2**70, 1e308, 19.990000000000002),
    *("", " ", "0", "1", "2.0", " 7 ", "1,5", "NaN", "1e3", ".5", "+4", "yes", "false"),
    *("00000000-0000-0000-0000-000000000000", "\u00e9\u5e97", "x" * 200, "a@b.co"),
    *([], {}, [None, "", "first"], ["E.C.P.list", 2], [[]], {"k": {"k": [1]}}),
)
_SURROGATE = "half \ud83d"
_NOT_A_NUMBER = float("nan")
_BATCH: dict[str, tuple[Any, ...]] = {
    "ip": ("198.51.100.7", "8.8.8.8 ", "2001:4860:4860::8888", "::1", "010.1.1.1"),
    "environment": ("Production", "development", 2),
    "schema_version": (2, "x"),
    "message_id": ("f" * 130, 12, "mail@example.com"),
    "timestamp_unixtime_ms": ("1700000000000", 1.7e12, "1700000000000.0", 5),
    "partner_identities": ({"tiktok_cookie_id": "ttp-1"}, [], "no"),
    "consent_state": (
        {"gdpr": {" Advertising": {"consented": "true"}}},
        {"gdpr": [], "ccpa": {"data_sale_opt_out": {"consented": "no"}}},
        {"ccpa": {"data_sale_opt_out": {"consented": 1}}},
    ),
    "user_identities": (
        {"Email": "Bob@Example.com ", "other2": "9", "mobile_number": "+442071838750"},
        [{"identity_type": "email", "identity": "a@example.com"}, None, 5],
        {"customer_id": 12345678901234567890, "email": ["a@example.com"], "other": "-"},
        {"email": "e" * 64, "phone_number_2": "2133734253", "mobile_number": 442},
    ),
    "user_attributes": (
        {"$firstname": "J. O'Neill", "$LastName": ["Ann ", "Lee"], "$City": "St. Ives"},
        {"$Country": "us", "$State": "New  York", "$Zip": "10001-2345", "$City": 7},
        {"$country": "GB", "$State": "", "$Zip": "SW1A 1AA"},
    ),
}
_EVENT: dict[str, tuple[Any, ...]] = {
    "event_name": ("Trial Started", "AddToCart", "attribution", "newsletter"),
    "currency_code": ("usd", " GBP ", 5),
    "device_info": ({"http_header_user_agent": "Example/1"}, None, []),
    "custom_attributes": ({"Plan": ["Pro", "x"], "plan price": "9.99", "k": 3}, "no"),
    "source_message_id": ("m-9", 7, 1.5, "x" * 129),
}
_PRODUCT: dict[str, tuple[Any, ...]] = {
    "custom_attributes": ({"Colour": "Red", "size": 7}, {"colour": ["blue", "red"]}),
    "category": ("Shoes", " shoes "),
    "price": ("12.50", "12,50", 3),
}


def mangle(random: Random, batches: list[Any]) -> bytes:
    """Write the batches with some values changed, and now and then some bytes."""
    # Maps of protobuf messages come in another order in each process.
    batches = json.loads(json.dumps(batches, sort_keys=True))
    for batch in batches:
        _replace(random, batch, _BATCH)
        for event in batch["events"]:
            _replace(random, event["data"], _EVENT)
            action = event["data"].get("product_action") or {}
            for product in action.get("products") or ():
                _replace(random, product, _PRODUCT)
    if seldom(random):
        batches = _mangled(random, batches)
    text = json.dumps(batches, ensure_ascii=random.random() < 0.5)
    data = text.encode("utf-8", "surrogatepass")
    if random.random() < 0.02:
        cut = random.randrange(len(data))
        data = data[:cut] + random.choice((b"", b"\xff", b"}", b'"')) + data[cut + 1 :]
    return data


def _replace(
    random: Random, members: dict[str, Any], values: dict[str, tuple[Any, ...]]
) -> None:
    for name, choices in values.items():
        if rarely(random):
            members[name] = random.choice(choices)


def _mangled(random: Random, value: Any) -> Any:
    chance = random.random()
    if chance < 0.03:
        return random.choice(_ODD)
    if isinstance(value, dict):
        return {key: _mangled(random, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mangled(random, item) for item in value]
    if chance < 0.034:
        return random.choice((_SURROGATE, _NOT_A_NUMBER, value, value))
    if chance < 0.05:
        return str(value)
    return value
