"""Batches by number: the same number gives the same events, some of them bad."""

import json
from random import Random
from typing import Any


def batch(number: int, now: float) -> tuple[bytes, int]:
    """Make the batch of a number, and say how many results it must have."""
    random = Random(number)
    if random.random() < 0.02:
        return b'{"events": 7}', 1
    events = [_event(random, number, at, now) for at in range(random.randint(1, 3))]
    made = {
        "environment": "production",
        "user_identities": {"email": "jane.doe@example.com"},
        "ip": "203.0.113.7",
        "device_info": {"http_header_user_agent": "ExampleBrowser/1.0"},
        "events": events,
    }
    return json.dumps(made).encode(), len(events)


def _event(random: Random, number: int, at: int, now: float) -> dict[str, Any]:
    draw = random.random()
    if draw < 0.1:
        return {"event_type": "session_start", "data": {}}
    action = "purchase" if draw < 0.2 else "view_detail"
    bad = "-bad" if random.random() < 0.03 else ""
    data = {
        "timestamp_unixtime_ms": int(now * 1000),
        "source_message_id": f"m-{number}-{at}{bad}",
        "currency_code": "EUR",
        "custom_flags": {"TikTok.URL": "https://shop.example.com/"},
        "product_action": {
            "action": action,
            "transaction_id": "order",
            "products": [{"id": "sku-1", "price": 9.75, "quantity": 1}],
        },
    }
    return {"event_type": "commerce_event", "data": data}
