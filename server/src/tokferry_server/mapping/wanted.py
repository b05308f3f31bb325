"""Which fields of the model a connection's mapping reads, as ``Struct.field``.

Of a map, ``Struct.field[key]`` is one entry. ``Event.custom_event`` stands for events
of that type, ``custom_event.event_name`` for a field of theirs alone. What rows and
custom mappings name is found out; what the code reads by itself stands here. The id
made of an event's content reads everything, and asks for it.
"""

from collections.abc import Iterator
from typing import Final

from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.custom.model import CustomMapping
from tokferry_server.mapping.native import NativeEvents
from tokferry_server.mapping.paths import Path, fields_of, parse_path
from tokferry_server.mapping.table import Plan
from tokferry_server.mparticle.model import ORIGIN

ALWAYS: Final = frozenset(
    {
        *("BatchData.environment", "BatchData.user_identities", "EventData.event_type"),
        *("EventData.product_action", "ProductAction.action", "ProductAction.products"),
    }
)
"""What matching and identities read, whatever the settings."""

CONSENT: Final = ("BatchData.consent_state", "Consent.consented")
OPT_OUT: Final = ("ConsentState.ccpa", "CcpaConsentState.data_sale_opt_out")
"""What is read to refuse a batch, by a connection that would refuse it."""

EXTENDED: Final = frozenset(
    {
        *("custom_event.event_name", "custom_event.custom_event_type"),
        *("EventData.promotion_action", "PromotionAction.action"),
        *("PromotionAction.promotions", "Promotion.id", "Promotion.name"),
        *("EventData.product_impressions", "ProductImpression.products"),
    }
)
"""What the extended native events are told by, and listed from."""

MATCHED: Final = frozenset(
    {
        *("EventData.event_name", "EventData.screen_name"),
        *("EventData.promotion_action", "PromotionAction.action"),
    }
)
"""What custom mappings are found by."""

_COUNTRY = "BatchData.user_attributes[$country]"
_PLATFORM = ("BatchData.device_info", "DeviceInfo.platform")
BESIDE: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(("phone", "state", "zip_code"), (_COUNTRY,)),
    **dict.fromkeys(("idfv", "att_status"), _PLATFORM),
    **dict.fromkeys(("idfa", "gaid"), (*_PLATFORM, "DeviceInfo.limit_ad_tracking")),
    "page_query.ttclid": ("EventData.custom_flags[TikTok.URL]", "EventData.page_url"),
    "computed.message_id_and_index": ("BatchData.message_id",),
    "computed.content_hash": ("BatchData.mpid", "EventData.timestamp_unixtime_ms"),
}
"""Rule, or path that is not in the batch as such → what it reads by itself."""


def wanted(connection: Connection, plan: Plan) -> frozenset[str]:
    """Give all that a connection with these rows reads."""
    mappings = connection.custom_mappings
    steps = plan.batch_steps + plan.event_steps
    steps += plan.commerce_steps + plan.product_steps
    paths = [path for step in steps for path in step.paths]
    found = {*ALWAYS, *_refused_by(connection), *_events(connection)}
    if connection.native_events == "extended":
        found |= EXTENDED | {"EventData.custom_flags[Rokt.CommerceEventType]"}
    if mappings:
        found |= MATCHED
    for mapping in mappings:
        paths += [parse_path(field.path) for field in mapping.fields if field.path]
        found.update(_matched(mapping))
    for beside in [*(step.row.rule for step in steps), *(path.text for path in paths)]:
        found.update(BESIDE.get(beside, ()))
    return frozenset(found.union(*(_fields(path) for path in paths)))


def _refused_by(connection: Connection) -> Iterator[str]:
    """Yield what decides whether a batch is sent at all."""
    if connection.historical == "drop":
        yield from ORIGIN
    if connection.gdpr_purposes:
        yield from CONSENT
        yield from (f"ConsentState.gdpr[{name}]" for name in connection.gdpr_purposes)
    if connection.ccpa_opt_out != "ignore":
        yield from (*CONSENT, *OPT_OUT)


def _events(connection: Connection) -> Iterator[str]:
    """Yield which types of events may become anything."""
    yield "Event.commerce_event"
    extended = NativeEvents(connection).extended
    if extended:
        yield "Event.custom_event"
    if extended.get("screen view"):
        yield "Event.screen_view"
    for mapping in connection.custom_mappings:
        event_type = mapping.match.event_type
        yield "Event.*" if event_type is None else f"Event.{event_type.lower()}"


def _fields(path: Path) -> Iterator[str]:
    for part in path.parts or (path,):
        if part.steps:
            yield from fields_of(part)


def _matched(mapping: CustomMapping) -> Iterator[str]:
    if mapping.match.attributes:
        yield "EventData.custom_attributes"
    if mapping.match.product_attributes:
        yield "Product.custom_attributes"
    yield from (f"Product.{name}" for name, _ in mapping.match.product)
