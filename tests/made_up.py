"""Made-up batches, as mParticle's webhook would send them."""

from typing import Any


def purchase(number: int = 0, **data: Any) -> dict[str, Any]:
    """One purchase event with its own id."""
    return {
        "event_type": "commerce_event",
        "data": {
            "timestamp_unixtime_ms": 1_790_000_000_000 + number,
            "source_message_id": f"message-{number}",
            "currency_code": "EUR",
            "custom_flags": {"TikTok.URL": "https://shop.example.com/thanks"},
            "product_action": {
                "action": "purchase",
                "transaction_id": f"order-{number}",
                "total_amount": 19.5,
                "products": [{"id": "sku-1", "price": 9.75, "quantity": 2}],
            },
            **data,
        },
    }


def batch(*events: Any, **members: Any) -> dict[str, Any]:
    """One batch around the events."""
    return {
        "events": list(events),
        "environment": "production",
        "user_identities": {"email": "jane.doe@example.com"},
        "ip": "203.0.113.7",
        "device_info": {"http_header_user_agent": "ExampleBrowser/1.0"},
        **members,
    }
