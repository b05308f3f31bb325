"""Events API 1.0, web only: the layout that mParticle's own connection speaks of.

https://github.com/tiktok/tiktok-business-api-sdk (``python_sdk/docs/Pixel*.md``).
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from tokferry_server.tiktok.model import (
    Event,
    LegacyAd,
    LegacyContent,
    LegacyContext,
    LegacyEvent,
    LegacyProperties,
    LegacyUser,
    OneOrMany,
    Properties,
    User,
)
from tokferry_server.tiktok.wire import Route, WireFormat

_encoder = msgspec.json.Encoder()
_BATCH_LIMIT = 50


def to_legacy(event: Event, time_ms: int) -> LegacyEvent:
    """Lay an event out as Events API 1.0 has it; ``time_ms`` in Unix milliseconds."""
    user = event.user or User()
    properties = event.properties
    return LegacyEvent(
        type="track",
        event=event.event,
        event_id=event.event_id,
        timestamp=_iso_8601(time_ms),
        context=LegacyContext(
            ad=LegacyAd(callback=user.ttclid) if user.ttclid else None,
            page=event.page,
            user=_legacy_user(user),
            ip=user.ip,
            user_agent=user.user_agent,
        ),
        properties=_legacy_properties(properties) if properties else None,
        limited_data_use=event.limited_data_use,
    )


def encode_event(event: Event, time_ms: int) -> bytes:
    """Give the JSON bytes of one element of ``batch``."""
    return _encoder.encode(to_legacy(event, time_ms))


def encode_request(route: Route, events: Sequence[bytes]) -> bytes:
    """Join encoded events into one body: ``batch[]``, or the event alone for one."""
    head = {"pixel_code": route.event_source_id}
    if route.test_event_code is not None:
        head["test_event_code"] = route.test_event_code
    start = _encoder.encode(head)[:-1]
    if len(events) == 1:
        return b"%b,%b" % (start, events[0][1:])
    return b'%b,"batch":[%b]}' % (start, b",".join(events))


def _legacy_user(user: User) -> LegacyUser | None:
    legacy = LegacyUser(
        external_id=_first(user.external_id),
        phone_number=_first(user.phone),
        email=_first(user.email),
        ttp=user.ttp,
    )
    return legacy if legacy != LegacyUser() else None


def _legacy_properties(properties: Properties) -> LegacyProperties | None:
    legacy = LegacyProperties(
        contents=[
            LegacyContent(
                price=content.price,
                quantity=content.quantity,
                content_type=properties.content_type,
                content_id=content.content_id,
                content_category=content.content_category,
                content_name=content.content_name,
            )
            for content in properties.contents
        ]
        if properties.contents
        else None,
        query=properties.search_string,
        description=properties.description,
        currency=properties.currency,
        value=properties.value,
    )
    return legacy if legacy != LegacyProperties() else None


def _first(values: OneOrMany | None) -> str | None:
    return values if values is None or isinstance(values, str) else values[0]


def _iso_8601(time_ms: int) -> str:
    seconds, milliseconds = divmod(time_ms, 1000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def _path(count: int) -> str:
    return f"/open_api/v1.3/pixel/{'track' if count == 1 else 'batch'}/"


EVENTS_1 = WireFormat(
    name="events_1",
    max_events=_BATCH_LIMIT,
    path=_path,
    encode_event=encode_event,
    encode_request=encode_request,
)
