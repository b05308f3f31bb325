"""The settings of one connection, as far as they decide what is sent."""

from dataclasses import dataclass
from typing import Literal

from tokferry_server.mapping.custom.model import CustomMapping
from tokferry_server.tiktok.wire import Route, WireName

EventSource = Literal["web", "app", "offline", "crm"]
EventIdSource = Literal[
    "flag", "source_message_id", "event_id", "message_id", "content_hash"
]

EVENT_ID_SOURCES: tuple[EventIdSource, ...] = (
    "flag",
    "source_message_id",
    "event_id",
    "message_id",
    "content_hash",
)
"""Where an event id is looked for, first to last, unless settings say otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One configured destination; the settings reference explains each member."""

    name: str
    pixel_id: str
    event_source: EventSource = "web"
    email_identity_types: tuple[str, ...] = ("email",)
    external_identity_types: tuple[str, ...] = ("customer_id",)
    phone_identity_types: tuple[str, ...] = ("mobile_number",)
    content_type: Literal["product", "product_group"] = "product"
    native_events: Literal["commerce", "extended"] = "commerce"
    event_names: Literal["mparticle", "current"] = "mparticle"
    wire_format: WireName = "events_2"
    ip_and_user_agent: Literal["required", "optional"] = "required"
    default_region: str | None = None
    external_id_case: Literal["as_given", "lower"] = "as_given"
    user_attributes: bool = False
    derive_value: bool = False
    gdpr_purposes: tuple[str, ...] = ()
    ccpa_opt_out: Literal["limited_data_use", "drop", "ignore"] = "limited_data_use"
    limited_data_use: bool = False
    environments: tuple[str, ...] = ("production",)
    historical: Literal["drop", "send"] = "drop"
    test_event_code: str | None = None
    max_event_age_seconds: float | None = None
    event_id_sources: tuple[EventIdSource, ...] = EVENT_ID_SOURCES
    app_id: str | None = None
    custom_mappings: tuple[CustomMapping, ...] = ()

    @property
    def route(self) -> Route:
        """What this connection's events have in common on the wire."""
        return Route(
            wire_format=self.wire_format,
            event_source=self.event_source,
            event_source_id=self.pixel_id,
            test_event_code=self.test_event_code,
        )
