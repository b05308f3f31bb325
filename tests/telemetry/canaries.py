"""Sixty made-up secrets, batches that are full of them, and a search for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMES = """
email email_2 email_in_url email_in_attribute mobile home_phone customer other other_2
facebook google device_stamp mpid first_name last_name zip city address age gender
ttp ttclid ip user_agent idfa idfv gaid android_id push_token
url url_query referrer search message batch_id request_id session order coupon
product_id product_name product_brand product_attribute attribute attribute_name
event_attribute flag lead_id screen event_name latitude user_attribute audience
location experiment access_token label note test_code error_text
"""


def _canary(place: int, name: str) -> str:
    """Give a value of the right form that stands nowhere else."""
    mark = f"cnry{place:02d}"
    shapes = {
        "ip": "2001:db8:c0de::101",
        "mobile": "+491700007701",
        "home_phone": "+491700007702",
        "idfa": "C0DEC0DE-0000-4000-8000-00000000AAA1",
        "idfv": "C0DEC0DE-0000-4000-8000-00000000AAA2",
        "gaid": "c0dec0de-0000-4000-8000-00000000aaa3",
        "mpid": "7700778800990011",
        "ttclid": f"E.C.P.{mark}xyz",
        "url": f"https://{mark}.example.com/thanks",
        "referrer": f"https://{mark}.example.org/from",
    }
    if name.startswith("email"):
        return f"{mark}@example.com"
    return shapes.get(name, f"{mark}{name.replace('_', '')}")


CANARIES: Mapping[str, str] = {
    name: _canary(place, name) for place, name in enumerate(_NAMES.split())
}
_GOES_ALONG = """
ttp ttclid ip user_agent city idfa idfv gaid url url_query referrer message order
product_id product_name product_brand product_attribute label lead_id email_in_url
test_code
"""
TIKTOK_GETS = frozenset(_GOES_ALONG.split())
"""What a waiting row may hold: the event as TikTok gets it, and the caller's label.

Identifiers and names that TikTok takes as digests are not among them.
"""
OPERATORS_SEE = frozenset(
    {
        *("label", "note"),  # texts of callers and operators
        "message",  # the event's id
        *("order", "product_id", "product_name", "product_brand"),
    }
)
"""What admin views show without being asked for more."""


def batch(number: int, **members: Any) -> dict[str, Any]:
    """Give a batch with canaries wherever mParticle has room for them."""
    c = CANARIES
    return {
        "environment": "production",
        "mpid": c["mpid"],
        "batch_id": c["batch_id"],
        "source_request_id": c["request_id"],
        "ip": c["ip"],
        "user_identities": {
            "email": c["email"],
            "other": c["other"],
            "other2": c["other_2"],
            "other3": c["email_2"],
            "customerid": c["customer"],
            "facebook": c["facebook"],
            "google": c["google"],
            "mobile_number": c["mobile"],
            "phone_number_2": c["home_phone"],
            "device_application_stamp": c["device_stamp"],
        },
        "user_attributes": {
            "$FirstName": c["first_name"],
            "$LastName": c["last_name"],
            "$Zip": c["zip"],
            "$City": c["city"],
            "$Address": c["address"],
            "$Age": c["age"],
            "$Gender": c["gender"],
            "$Mobile": c["mobile"],
            "favourite": c["user_attribute"],
            "audiences": [c["audience"]],
        },
        "partner_identities": {"tiktok_cookie_id": c["ttp"]},
        "device_info": {
            "platform": "web",
            "http_header_user_agent": c["user_agent"],
            "ios_advertising_id": c["idfa"],
            "ios_idfv": c["idfv"],
            "android_advertising_id": c["gaid"],
            "android_uuid": c["android_id"],
            "push_token": c["push_token"],
        },
        "context": {"data_plan": {"experiment": c["experiment"]}},
        "events": [_purchase(number), _custom(number)],
        **members,
    }


def _purchase(number: int) -> dict[str, Any]:
    c = CANARIES
    return {
        "event_type": "commerce_event",
        "data": {
            "timestamp_unixtime_ms": 1_790_000_000_000 + number,
            "source_message_id": f"{c['message']}-{number}",
            "session_id": c["session"],
            "location": {"latitude": c["latitude"], "name": c["location"]},
            "custom_attributes": {
                c["attribute_name"]: c["attribute"],
                "mail": c["email_in_attribute"],
            },
            "custom_flags": {
                "TikTok.URL": f"{c['url']}?q={c['url_query']}&m={c['email_in_url']}",
                "TikTok.Referrer": c["referrer"],
                "TikTok.Callback": c["ttclid"],
                "TikTok.LeadId": c["lead_id"],
                "other": c["flag"],
            },
            "product_action": {
                "action": "purchase",
                "transaction_id": c["order"],
                "coupon_code": c["coupon"],
                "total_amount": 19.5,
                "products": [
                    {
                        "id": c["product_id"],
                        "name": c["product_name"],
                        "brand": c["product_brand"],
                        "price": 9.75,
                        "quantity": 2,
                        "custom_attributes": {"engraving": c["product_attribute"]},
                    }
                ],
            },
            "currency_code": "EUR",
        },
    }


def _custom(number: int) -> dict[str, Any]:
    c = CANARIES
    return {
        "event_type": "custom_event",
        "data": {
            "timestamp_unixtime_ms": 1_790_000_100_000 + number,
            "event_name": c["event_name"],
            "screen_name": c["screen"],
            "custom_attributes": {"q": c["search"], "x": c["event_attribute"]},
        },
    }


def found_in(text: str | bytes, *, but: frozenset[str] = frozenset()) -> list[str]:
    """Name the canaries that stand in a text, whatever the case of letters."""
    lower = text.encode().lower() if isinstance(text, str) else text.lower()
    return [
        name
        for name, value in CANARIES.items()
        if name not in but and value.lower().encode() in lower
    ]
