"""What mappings can read of an mParticle batch, as structs; absent is ``None``.

Names are mParticle's own
(https://docs.mparticle.com/developers/apis/json-reference/). Scalars are ``Any``:
senders write numbers as text and text as numbers, and the mapping's rules sort that
out. Only a container of the wrong kind is refused while reading. What was decoded holds
no cycles, so the garbage collector need not look at structs.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

import msgspec

Map = dict[str, Any] | list[Any] | None
"""A JSON object. Some senders (PHP) write an empty one as an empty array."""

ORIGIN: Final = frozenset(
    {"BatchData.environment", "BatchData.source_info", "SourceInfo.is_historical"}
)
"""The fields that tell where a batch is from, and whether from the past."""


class Product(msgspec.Struct, gc=False):
    """One product of a commerce event."""

    id: Any = None
    name: Any = None
    brand: Any = None
    category: Any = None
    variant: Any = None
    coupon_code: Any = None
    position: Any = None
    added_to_cart_time_ms: Any = None
    price: Any = None
    quantity: Any = None
    total_product_amount: Any = None
    custom_attributes: Map = None


class ProductAction(msgspec.Struct, gc=False):
    """What was done with the products."""

    action: Any = None
    transaction_id: Any = None
    affiliation: Any = None
    coupon_code: Any = None
    checkout_step: Any = None
    checkout_options: Any = None
    product_action_list: Any = None
    product_list_source: Any = None
    currency: Any = None
    total_amount: Any = None
    tax_amount: Any = None
    shipping_amount: Any = None
    products: list[Product | None] | None = None


class Promotion(msgspec.Struct, gc=False):
    """One promotion that was viewed or clicked."""

    id: Any = None
    name: Any = None
    creative: Any = None
    position: Any = None


class PromotionAction(msgspec.Struct, gc=False):
    """What was done with the promotions."""

    action: Any = None
    promotions: list[Promotion | None] | None = None


class ProductImpression(msgspec.Struct, gc=False):
    """One list of products that was shown."""

    product_impression_list: Any = None
    products: list[Product | None] | None = None


class DeviceInfo(msgspec.Struct, gc=False):
    """The device."""

    platform: Any = None
    http_header_user_agent: Any = None
    locale_language: Any = None
    locale_country: Any = None
    ios_advertising_id: Any = None
    ios_idfv: Any = None
    android_advertising_id: Any = None
    limit_ad_tracking: Any = None
    att_authorization_status: Any = None
    att_timestamp_unixtime_ms: Any = None
    brand: Any = None
    product: Any = None
    device: Any = None
    device_manufacturer: Any = None
    device_model: Any = None
    device_country: Any = None
    os_version: Any = None
    network_country: Any = None
    network_carrier: Any = None
    network_code: Any = None
    network_mobile_country_code: Any = None
    build_identifier: Any = None
    build_version_release: Any = None
    cpu_architecture: Any = None
    radio_access_technology: Any = None
    screen_height: Any = None
    screen_width: Any = None
    screen_dpi: Any = None
    timezone_offset: Any = None
    is_tablet: Any = None
    is_dst: Any = None


class ApplicationInfo(msgspec.Struct, gc=False):
    """The application that sent the batch."""

    application_name: Any = None
    application_version: Any = None
    application_build_number: Any = None
    install_referrer: Any = None
    package: Any = None
    os: Any = None


class Consent(msgspec.Struct, gc=False):
    """One consent, or for CCPA one opt-out."""

    consented: Any = None


class CcpaConsentState(msgspec.Struct, gc=False):
    """CCPA: ``consented`` true means that the user opted OUT of sale."""

    data_sale_opt_out: Consent | None = None


class ConsentState(msgspec.Struct, gc=False):
    """Consents by purpose, and the opt-out of sale."""

    gdpr: dict[str, Consent | None] | list[Any] | None = None
    ccpa: CcpaConsentState | None = None


class SourceInfo(msgspec.Struct, gc=False):
    """Where the batch came from."""

    channel: Any = None
    partner: Any = None
    is_historical: Any = None


class EventData(msgspec.Struct, gc=False):
    """``data`` of one event: the common fields and those of its type."""

    event_type: Any = None
    timestamp_unixtime_ms: Any = None
    event_id: Any = None
    source_message_id: Any = None
    session_id: Any = None
    session_uuid: Any = None
    event_num: Any = None
    event_name: Any = None
    screen_name: Any = None
    custom_event_type: Any = None
    custom_attributes: Map = None
    custom_flags: Map = None
    page_url: Any = None
    session_start_unixtime_ms: Any = None
    event_start_unixtime_ms: Any = None
    event_duration: Any = None
    active_time_on_site_ms: Any = None
    is_goal_defined: Any = None
    lifetime_value_change: Any = None
    lifetime_value_attribute_name: Any = None
    data_connection_type: Any = None
    view_controller: Any = None
    canonical_name: Any = None
    activity_type: Any = None
    is_non_interactive: Any = None
    session_duration_ms: Any = None
    application_transition_type: Any = None
    successfully_closed: Any = None
    is_first_run: Any = None
    is_upgrade: Any = None
    launch_referral: Any = None
    user_attribute_name: Any = None
    deleted: Any = None
    is_new_attribute: Any = None
    is_opted_out: Any = None
    profile_event_type: Any = None
    label: Any = None
    http_verb: Any = None
    url: Any = None
    response_code: Any = None
    time_elapsed: Any = None
    severity: Any = None
    location: Any = None
    currency_code: Any = None
    device_info: DeviceInfo | None = None
    product_action: ProductAction | None = None
    promotion_action: PromotionAction | None = None
    product_impressions: list[ProductImpression | None] | None = None


class PartOfEvent(msgspec.Struct, gc=False):
    """Event data of which only what a mapping reads was read; ``whole`` reads all.

    Typed messages are read so, into structs that have just these fields besides; the
    others are ``None``. ``read`` makes the whole of the ``message``.
    """

    message: Any
    read: ClassVar[Callable[[Any], EventData]]

    def whole(self) -> EventData:
        """Read all fields."""
        return type(self).read(self.message)


class Event(msgspec.Struct, gc=False):
    """One event as mParticle wraps it."""

    event_type: Any = None
    data: EventData | None = None


class BatchData(msgspec.Struct, gc=False):
    """All that the events of one batch have in common."""

    environment: Any = None
    batch_id: Any = None
    source_request_id: Any = None
    message_type: Any = None
    schema_version: Any = None
    unique_id: Any = None
    sdk_version: Any = None
    job_id: Any = None
    mpid: Any = None
    ip: Any = None
    message_id: Any = None
    timestamp_unixtime_ms: Any = None
    user_identities: dict[str, Any] | list[Any] | None = None
    user_attributes: Map = None
    partner_identities: Map = None
    device_info: DeviceInfo | None = None
    application_info: ApplicationInfo | None = None
    consent_state: ConsentState | None = None
    source_info: SourceInfo | None = None
    attribution_info: Any = None
    context: Any = None


class Malformed(msgspec.Struct, frozen=True, gc=False):
    """An event, or a batch, that cannot be read.

    ``field`` is its path (``event.product_action.products[1]``), ``problem`` says what
    was expected there; neither holds a value of the input.
    """

    field: str
    problem: str


class Batch(msgspec.Struct, gc=False):
    """One batch: shared data and its events, each read by itself.

    ``data`` has at least its origin; ``whole`` gives all that a mapping reads.
    """

    data: BatchData
    events: Sequence[Event | Malformed]

    def whole(self) -> BatchData:
        """Give the data, read as far as it is wanted."""
        return self.data
