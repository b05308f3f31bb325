"""The events that TikTok's Events API takes, as structs in the order they are written.

Members, types and scopes are those of the endpoint page,
https://business-api.tiktok.com/portal/docs?id=1771101303285761.
A member that is ``None`` (or an empty tuple) is absent and is not written. None can be
part of a cycle, so the garbage collector need not look at them.
"""

import msgspec

Number = int | float
OneOrMany = str | tuple[str, ...]


class Content(msgspec.Struct, omit_defaults=True, gc=False):
    """One product of ``properties.contents``; ``price`` is the unit price."""

    price: Number | None = None
    quantity: int | None = None
    content_id: str | None = None
    content_category: str | None = None
    content_name: str | None = None
    brand: str | None = None


class Properties(msgspec.Struct, omit_defaults=True, gc=False):
    """What happened: products, amounts (major currency units), texts."""

    contents: list[Content] | None = None
    content_ids: list[str] | None = None
    content_type: str | None = None
    currency: str | None = None
    value: Number | None = None
    num_items: int | None = None
    search_string: str | None = None
    description: str | None = None
    order_id: str | None = None
    shop_id: str | None = None


class User(msgspec.Struct, omit_defaults=True, gc=False):
    """Who did it. ``email``, ``phone`` and ``external_id`` are SHA-256 hex digests."""

    email: OneOrMany | None = None
    phone: OneOrMany | None = None
    external_id: OneOrMany | None = None
    ttclid: str | None = None
    ttp: str | None = None
    ip: str | None = None
    user_agent: str | None = None
    locale: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    zip_code: str | None = None
    idfa: str | None = None
    idfv: str | None = None
    gaid: str | None = None
    att_status: str | None = None


class Page(msgspec.Struct, omit_defaults=True, gc=False):
    """Where it happened on the web."""

    url: str | None = None
    referrer: str | None = None


class App(msgspec.Struct, omit_defaults=True, gc=False):
    """The app in which it happened."""

    app_id: str | None = None
    app_name: str | None = None
    app_version: str | None = None


class Lead(msgspec.Struct, omit_defaults=True, gc=False):
    """The lead of a CRM event."""

    lead_id: str | None = None
    lead_event_source: str | None = None


class Event(msgspec.Struct, omit_defaults=True, gc=False):
    """One element of ``data`` in a request; ``event_time`` is in Unix seconds."""

    event: str
    event_time: int
    event_id: str | None = None
    user: User | None = None
    page: Page | None = None
    app: App | None = None
    lead: Lead | None = None
    properties: Properties | None = None
    limited_data_use: bool | None = None


class LegacyContent(msgspec.Struct, omit_defaults=True, gc=False):
    """One product of an Events API 1.0 event."""

    price: Number | None = None
    quantity: int | None = None
    content_type: str | None = None
    content_id: str | None = None
    content_category: str | None = None
    content_name: str | None = None


class LegacyProperties(msgspec.Struct, omit_defaults=True, gc=False):
    """What happened, in the members that Events API 1.0 has."""

    contents: list[LegacyContent] | None = None
    query: str | None = None
    description: str | None = None
    currency: str | None = None
    value: Number | None = None


class LegacyAd(msgspec.Struct, omit_defaults=True, gc=False):
    """The click id under its 1.0 name."""

    callback: str | None = None


class LegacyUser(msgspec.Struct, omit_defaults=True, gc=False):
    """Who did it: one digest each, 1.0 has no arrays."""

    external_id: str | None = None
    phone_number: str | None = None
    email: str | None = None
    ttp: str | None = None


class LegacyContext(msgspec.Struct, omit_defaults=True, gc=False):
    """Where and by whom, in the layout of Events API 1.0."""

    ad: LegacyAd | None = None
    page: Page | None = None
    user: LegacyUser | None = None
    ip: str | None = None
    user_agent: str | None = None


class LegacyEvent(msgspec.Struct, omit_defaults=True, gc=False):
    """One element of ``batch`` in an Events API 1.0 request; ISO 8601 timestamp."""

    type: str | None = None
    event: str | None = None
    event_id: str | None = None
    timestamp: str | None = None
    context: LegacyContext | None = None
    properties: LegacyProperties | None = None
    limited_data_use: bool | None = None
