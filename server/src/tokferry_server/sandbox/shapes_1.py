"""What an Events API 1.0 request may hold, member by member; web only.

https://github.com/tiktok/tiktok-business-api-sdk (``python_sdk/docs/Pixel*.md``).
"""

from typing import Final

from tokferry_server.sandbox import checks
from tokferry_server.sandbox.shape import Member, Shape, array_of, object_of
from tokferry_server.tiktok import names

_WEB: Final = ("web",)
_text: Final = Member(check=checks.text)
_number: Final = Member(check=checks.number)
_digest: Final = Member(check=checks.digest)

_CONTENT: Final[Shape] = {
    "price": _number,
    "quantity": Member(check=checks.integer),
    "content_type": Member(check=checks.one_of(names.CONTENT_TYPES)),
    "content_id": _text,
    "content_category": _text,
    "content_name": _text,
}

_PROPERTIES: Final[Shape] = {
    "contents": Member(check=array_of(object_of(_CONTENT))),
    "query": _text,
    "description": _text,
    "currency": Member(check=checks.one_of(names.CURRENCIES)),
    "value": _number,
    "status": _text,
}

_PAGE: Final[Shape] = {
    "url": Member(check=checks.web_address, required=_WEB),
    "referrer": Member(check=checks.web_address),
}

_USER: Final[Shape] = {
    "external_id": _digest,
    "phone_number": _digest,
    "email": _digest,
    "ttp": _text,
}

_CONTEXT: Final[Shape] = {
    "ad": Member(check=object_of({"callback": Member(check=checks.click_id)})),
    "page": Member(check=object_of(_PAGE), required=_WEB),
    "user": Member(check=object_of(_USER)),
    "ip": Member(check=checks.public_address),
    "user_agent": _text,
}

EVENT_1: Final[Shape] = {
    "type": Member(check=checks.one_of(("track",))),
    "event": Member(check=checks.event_name, required=_WEB),
    "event_id": Member(check=checks.text, required=_WEB),
    "timestamp": Member(check=checks.iso_8601, required=_WEB),
    "context": Member(check=object_of(_CONTEXT), required=_WEB),
    "properties": Member(check=object_of(_PROPERTIES)),
    "limited_data_use": Member(check=checks.flag),
}

ROOT_1: Final[Shape] = {
    "pixel_code": Member(check=checks.text, required=_WEB),
    "test_event_code": _text,
    "partner_name": _text,
}
