"""Which fields of the model a connection's mapping reads, as ``Struct.field``.

Those that rows and custom mappings name are found out; those that the code reads by
itself stand here. The id made of an event's content reads everything, and asks for it.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from tokferry_server.mapping.custom.model import CustomMapping
from tokferry_server.mapping.paths import Path, fields_of, parse_path
from tokferry_server.mapping.table import Plan

ALWAYS: Final = frozenset(
    {
        *("BatchData.environment", "BatchData.source_info", "SourceInfo.is_historical"),
        *("BatchData.consent_state", "ConsentState.gdpr", "ConsentState.ccpa"),
        *("CcpaConsentState.data_sale_opt_out", "Consent.consented"),
        *("BatchData.user_identities", "BatchData.user_attributes", "BatchData.mpid"),
        *("BatchData.message_id", "BatchData.device_info", "DeviceInfo.platform"),
        *("DeviceInfo.limit_ad_tracking", "EventData.event_type"),
        *("EventData.event_name", "EventData.screen_name", "EventData.page_url"),
        *("EventData.custom_event_type", "EventData.custom_flags"),
        *("EventData.timestamp_unixtime_ms", "EventData.product_action"),
        *(
            "ProductAction.action",
            "ProductAction.products",
            "EventData.promotion_action",
        ),
        *("PromotionAction.action", "PromotionAction.promotions", "Promotion.id"),
        *("Promotion.name", "EventData.product_impressions"),
        "ProductImpression.products",
    }
)
"""What matching, consent, rules and computed paths read, whatever the settings."""


def wanted(plan: Plan, mappings: Iterable[CustomMapping]) -> frozenset[str]:
    """Give all fields that a connection with these rows and mappings reads."""
    steps = plan.batch_steps + plan.event_steps
    steps += plan.commerce_steps + plan.product_steps
    paths = [path for step in steps for path in step.paths]
    matched = []
    for mapping in mappings:
        paths += [parse_path(field.path) for field in mapping.fields if field.path]
        matched += list(_matched(mapping))
    return ALWAYS.union(matched, *(_fields(path) for path in paths))


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
