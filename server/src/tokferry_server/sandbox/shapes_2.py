"""What an Events API 2.0 request may hold, member by member.

https://business-api.tiktok.com/portal/docs?id=1771101303285761
"""

from typing import Final

from tokferry_server.sandbox import checks
from tokferry_server.sandbox.shape import Member, Shape, array_of, object_of
from tokferry_server.tiktok import names

_WEB: Final = ("web",)
_APP: Final = ("app",)
_CRM: Final = ("crm",)
_WEB_APP: Final = ("web", "app")
_WEB_CRM: Final = ("web", "crm")
_EVERY: Final = names.EVENT_SOURCES
_DEVICE_ID: Final = r"[0-9a-f]{64}|[0-9A-Fa-f]{6,8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
"""Six digits at first are enough: TikTok's own example of a gaid has no more."""

_text: Final = Member(check=checks.text)
_number: Final = Member(check=checks.number)

_CONTENT: Final[Shape] = {
    "price": _number,
    "quantity": Member(check=checks.integer),
    "content_id": _text,
    "content_name": _text,
    "content_category": _text,
    "brand": _text,
}

_PROPERTIES: Final[Shape] = {
    "value": _number,
    "currency": Member(check=checks.one_of(names.CURRENCIES)),
    "content_ids": Member(check=array_of(checks.text)),
    "contents": Member(check=array_of(object_of(_CONTENT))),
    "content_type": Member(check=checks.one_of(names.CONTENT_TYPES)),
    "num_items": Member(check=checks.integer),
    "search_string": _text,
    "description": _text,
    "order_id": _text,
    "shop_id": _text,
    "customer_type": Member(
        check=checks.one_of(names.CUSTOMER_TYPES), sources=_WEB_APP
    ),
}

_USER: Final[Shape] = {
    "email": Member(check=checks.digests),
    "phone": Member(check=checks.digests),
    "external_id": Member(check=checks.digests, sources=_WEB_CRM),
    "ttclid": Member(check=checks.click_id, sources=_WEB),
    "ttp": Member(check=checks.text, sources=_WEB),
    "ip": Member(check=checks.public_address, sources=_WEB_APP),
    "user_agent": Member(check=checks.text, sources=_WEB_APP),
    "locale": Member(
        check=checks.matching(
            r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?",
            "Not a valid BCP 47 tag",
        ),
        sources=_WEB_APP,
    ),
    "first_name": Member(check=checks.digest, sources=_WEB),
    "last_name": Member(check=checks.digest, sources=_WEB),
    "city": Member(
        check=checks.matching(r"[^\W_A-Z]+", "Not a normalised city"), sources=_WEB
    ),
    "state": Member(
        check=checks.matching(r"[^\W_A-Z]+", "Not a normalised state"), sources=_WEB
    ),
    "country": Member(
        check=checks.matching(r"[a-z]{2}", "Not a two-letter country"), sources=_WEB
    ),
    "zip_code": Member(check=checks.digest, sources=_WEB),
    "idfa": Member(check=checks.matching(_DEVICE_ID, "Not a valid idfa"), sources=_APP),
    "idfv": Member(check=checks.text, sources=_APP),
    "gaid": Member(check=checks.matching(_DEVICE_ID, "Not a valid gaid"), sources=_APP),
    "att_status": Member(check=checks.one_of(names.ATT_STATUSES), sources=_APP),
}

_PAGE: Final[Shape] = {
    "url": Member(check=checks.web_address, required=_WEB),
    "referrer": Member(check=checks.web_address),
}

_APP_OBJECT: Final[Shape] = {
    "app_id": Member(check=checks.text, required=_APP),
    "app_name": _text,
    "app_version": _text,
}

_LEAD: Final[Shape] = {
    "lead_id": Member(check=checks.text, required=_CRM),
    "lead_event_source": _text,
}

EVENT_2: Final[Shape] = {
    "event": Member(check=checks.event_name, required=_EVERY),
    "event_time": Member(check=checks.unix_seconds, required=_EVERY),
    "event_id": Member(check=checks.text, required=("web", "offline", "crm")),
    "user": Member(check=object_of(_USER), required=("web", "app", "offline")),
    "page": Member(check=object_of(_PAGE), sources=_WEB, required=_WEB),
    "app": Member(check=object_of(_APP_OBJECT), sources=_APP, required=_APP),
    "lead": Member(check=object_of(_LEAD), sources=_CRM, required=_CRM),
    "properties": Member(check=object_of(_PROPERTIES)),
    "limited_data_use": Member(check=checks.flag, sources=_WEB_APP),
}

ROOT_2: Final[Shape] = {
    "event_source": Member(check=checks.one_of(_EVERY), required=_EVERY),
    "event_source_id": Member(check=checks.text, required=_EVERY),
    "test_event_code": _text,
    "partner_name": _text,
}
