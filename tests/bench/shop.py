"""What happens in a made-up shop: every type of event, in the shares of one day."""

from random import Random
from typing import Any, Final

from tokferry.mparticle import v1 as mparticle

PRODUCT_ACTIONS: Final = {
    "view_detail": 300,
    "click": 30,
    "add_to_cart": 50,
    "remove_from_cart": 12,
    "add_to_wishlist": 18,
    "remove_from_wish_list": 4,
    "checkout": 22,
    "checkout_option": 8,
    "purchase": 14,
    "refund": 1,
}
OTHER_COMMERCE: Final = {"impression": 70, "promotion_view": 25, "promotion_click": 8}
CUSTOM: Final = {"search": 40, "navigation": 30, "other": 40}
EMPTY: Final = {
    "session_start": 35,
    "session_end": 35,
    "application_state_transition": 24,
    "user_attribute_change": 6,
    "user_identity_change": 3,
    "push_message": 4,
    "first_run": 3,
    "profile": 2,
    "push_registration": 1,
    "push_reaction": 1,
    "breadcrumb": 1,
    "network_performance": 1,
    "crash_report": 1,
    "opt_out": 1,
    "pre_attribution": 1,
    "uninstall": 1,
    "validation_result": 1,
}
SHARES: Final = PRODUCT_ACTIONS | OTHER_COMMERCE | CUSTOM | {"screen_view": 210} | EMPTY
"""Events of each kind in about a thousand; many of them have no TikTok event."""

_WARES: Final = (
    ("Stoneware mug", "Example Pottery", "Kitchen", 18.5),
    ("Plain T-shirt", "Example Wear", "Clothing", 24.0),
    ("Linen tea towel", "Example Loom", "Kitchen", 9.9),
    ("Läufer, 80 cm", "Beispiel & Söhne", "Living", 129.0),
    ("Desk lamp", "Example Light", "Living", 59.95),
)
_PAGE: Final = "https://shop.example.com/{}/{}?utm_source=tiktok"


def event(kind: str, number: int) -> mparticle.Event:
    """Make one event of that kind; ``number`` tells it from others."""
    made = mparticle.Event()
    _common(made, kind, number)
    if kind in PRODUCT_ACTIONS:
        action = made.commerce_event.product_action
        spelling = f"PRODUCT_ACTION_TYPE_{kind.upper()}"
        action.action = mparticle.ProductActionType.Value(spelling)
        made.commerce_event.currency_code = "EUR"
        listed = 3 if kind in ("purchase", "checkout") else 1
        products(action.products, number, listed)
        if listed > 1:
            _order(action, number)
    elif kind in OTHER_COMMERCE:
        _shown(made.commerce_event, kind, number)
    elif kind in CUSTOM:
        made.custom_event.event_name = f"Shop {kind}"
        spelling = f"CUSTOM_EVENT_TYPE_{kind.upper()}"
        made.custom_event.custom_event_type = mparticle.CustomEventType.Value(spelling)
    elif kind == "screen_view":
        made.screen_view.screen_name = "Spring collection"
    else:
        getattr(made, kind).SetInParent()
    name = f"EVENT_TYPE_{(made.WhichOneof('data') or '').upper()}"
    made.event_type = mparticle.EventType.Value(name)
    return made


def products(into: Any, number: int, count: int) -> None:
    """Add that many products, other ones for other numbers."""
    for index in range(number, number + count):
        name, brand, category, price = _WARES[index % len(_WARES)]
        product = into.add(
            id=f"SKU-{index % 97:04}",
            name=name,
            brand=brand,
            category=category,
            variant="M",
            position=index - number + 1,
            price=price,
            quantity=1 + index % 3,
        )
        product.custom_attributes["colour"].string_value = "sand"


def draw(random: Random, count: int) -> list[str]:
    """Draw the kinds of that many events of a day, the most frequent ones surely."""
    return random.choices(list(SHARES), list(SHARES.values()), k=count)


def _order(action: mparticle.ProductAction, number: int) -> None:
    action.transaction_id = f"ORDER-2026-{number:06}"
    action.total_amount = 171.4
    action.tax_amount = 27.37
    action.shipping_amount = 4.9
    action.coupon_code = "SPRING"
    action.affiliation = "Example Shop"


def _shown(commerce: mparticle.CommerceEvent, kind: str, number: int) -> None:
    if kind == "impression":
        shown = commerce.product_impressions.add(product_impression_list="spring")
        products(shown.products, number, 4)
        return
    spelling = f"PROMOTION_ACTION_TYPE_{kind.removeprefix('promotion_').upper()}"
    action = mparticle.PromotionActionType.Value(spelling)
    commerce.promotion_action.action = action
    commerce.promotion_action.promotions.add(
        id="spring-sale", name="Spring sale", creative="banner", position="top"
    )


def _common(made: mparticle.Event, kind: str, number: int) -> None:
    info = made.common
    info.timestamp_unixtime_ms = 1_790_000_000_000 + number
    info.event_id = 6_004_677_780_660_780_000 + number
    info.source_message_id = f"{number:08x}-6b0e-4d55-8a35-5a0f8f4b3c33"
    info.session_id = 4_412_331_889_012_345_678
    info.session_uuid = "5A3F6C1D-6B0E-4D55-8A35-5A0F8F4B3C33"
    info.event_start_unixtime_ms = 1_790_000_000_000 + number
    info.page_url = _PAGE.format(kind, number % 97)
    info.custom_flags["TikTok.URL"].string_value = info.page_url
    info.custom_flags["TikTok.Referrer"].string_value = "https://www.example.com/"
    info.custom_flags["TikTok.Callback"].string_value = "E.C.P.made-up-click"
    info.custom_attributes["plan"].string_value = "pro"
    info.custom_attributes["store"].string_value = "Köln"
    info.custom_attributes["items seen"].int_value = number % 40
    info.custom_attributes["returning"].bool_value = number % 2 == 0
