"""Makes typed mParticle batches at random, as real ones are mixed, and then some.

Everything comes from one ``random.Random``: a seeded one makes many batches quickly, a
hypothesis one makes batches that shrink.
"""

from random import Random
from typing import Any

from strategies.chance import mostly, pick, rarely, seldom
from strategies.users import consent, device, identities
from tokferry.mparticle import v1 as mparticle

COMMERCE_SHARE = 0.7
_OTHER_EVENTS = (
    *("session_start", "session_end", "first_run", "opt_out", "push_message"),
    *("application_state_transition", "breadcrumb", "profile", "crash_report"),
)
_TEXTS = ("p-1", " sku 2 ", "Läufer", "\u5e97", "", " ", "0", "x" * 150, "\U0001f600")
_NUMBERS = (0.0, 1.0, 19.99, 0.1, 100.0, 2.5, 1e16, 1e300, 123456789.25, 5e-7)
_QUANTITIES = (1.0, 2.0, 3.0, 0.5, 0.0, 250.0)
_INTEGERS = (0, 1, -1, 2**53 + 1, 2**63 - 1, -(2**63), 1_700_000_000_000)
_TIMES = (0, 1_516_298_443, 1_700_000_000_123, 1_700_000_000_999, 1_595_542_763_908)
_CURRENCIES = ("USD", " eur", "JPY", "XAU", "", "dollars")
_URLS = (
    "https://shop.example.com/cart?a=1",
    "HTTP://shop.example.com/",
    "https://shop.example.com/?ttclid=E.C.P.url",
    "https://shop.example.com/?mail=user%40example.com",
    "shop.example.com",
    " ",
)
_ADDRESSES = ("203.0.113.7", "2001:db8::7", "10.0.0.1", "nowhere", "", "198.51.100.9")
_ACTIONS = (2, 4, 7, 8, 10)
_FLAGS = ("URL", "Referrer", "Callback", "ClickId", "Ttp", "EventId", "LeadId")
_COUNTRIES = ("GB", "us", "Utopia", "")


def batch(random: Random, marker: str = "") -> mparticle.Batch:
    """Make a batch of up to four events; ``marker`` stands in every identity."""
    made = mparticle.Batch(events=[event(random) for _ in range(random.randint(0, 4))])
    identities(random, made, marker)
    if mostly(random):
        made.ip = pick(random, _ADDRESSES)
    if mostly(random):
        device(random, made.device_info)
    _origin(random, made)
    if rarely(random):
        consent(random, made.consent_state)
    if seldom(random):
        made.partner_identities["tiktok_cookie_id"] = pick(random, _TEXTS)
    if seldom(random):
        _attribute(random, made.user_attributes["$Zip"])
        made.user_attributes["$Country"].string_value = pick(random, _COUNTRIES)
    return made


def _origin(random: Random, made: mparticle.Batch) -> None:
    if rarely(random):
        made.environment = pick(random, (3, 0, 1, 2))
        made.unrecognized_environment = "staging"
    if rarely(random):
        made.source_info.is_historical = random.random() < 0.2
    if rarely(random):
        made.application_info.package = pick(random, ("com.example.shop", ""))
        made.application_info.application_name = pick(random, _TEXTS)
    if seldom(random):
        made.timestamp_unixtime_ms = pick(random, _TIMES)
    if seldom(random):
        made.message_id = pick(random, ("5f1c", "", "message"))
    if seldom(random):
        made.mpid = random.choice(_INTEGERS)


def event(random: Random) -> mparticle.Event:
    """Make one event, commerce more often than not."""
    made = mparticle.Event()
    _common(random, made.common)
    if random.random() < COMMERCE_SHARE:
        _commerce(random, made.commerce_event)
    elif random.random() < 0.5:
        made.custom_event.event_name = pick(random, ("Lead", "start_trial", "Viewed"))
        made.custom_event.custom_event_type = random.randint(0, 12)  # type: ignore[assignment]
    elif random.random() < 0.3:
        made.screen_view.screen_name = pick(random, _TEXTS)
    else:
        getattr(made, random.choice(_OTHER_EVENTS)).SetInParent()
    case = made.WhichOneof("data")
    if mostly(random) and case:
        number = mparticle.EventType.Value(f"EVENT_TYPE_{case.upper()}")
        made.event_type = number
    return made


def _common(random: Random, info: mparticle.EventInfo) -> None:
    if mostly(random):
        info.timestamp_unixtime_ms = pick(random, (1_700_000_000_123, *_TIMES))
    if seldom(random):
        info.source_message_id = pick(random, ("m-1", "a@example.com", "", "ü"))
    if seldom(random):
        info.event_id = random.choice(_INTEGERS)
    if rarely(random):
        info.session_id = random.choice(_INTEGERS)
        info.session_uuid = pick(random, ("5a3f", ""))
    if rarely(random):
        info.event_num = random.choice(_INTEGERS)
    _attributes(random, info)


def _attributes(random: Random, info: mparticle.EventInfo) -> None:
    if seldom(random):
        info.page_url = pick(random, _URLS)
    if seldom(random):
        for name in ("plan price", "lead_id", "k"):
            _attribute(random, info.custom_attributes[name])
    if mostly(random):
        info.custom_flags["TikTok.URL"].string_value = pick(random, _URLS)
    if rarely(random):
        _attribute(random, info.custom_flags[f"TikTok.{random.choice(_FLAGS)}"])
    if rarely(random):
        info.custom_flags["Rokt.CommerceEventType"].string_value = "add_payment_info"


def _commerce(random: Random, commerce: mparticle.CommerceEvent) -> None:
    if mostly(random):
        commerce.currency_code = pick(random, _CURRENCIES)
    kind = random.random()
    if kind < 0.1:
        commerce.promotion_action.action = random.randint(0, 3)  # type: ignore[assignment]
        commerce.promotion_action.promotions.add(id=pick(random, _TEXTS), name="Sale")
    elif kind < 0.2:
        _products(random, commerce.product_impressions.add().products)
    elif kind < 0.97:
        action = commerce.product_action
        action.action = random.choice((*_ACTIONS * 5, *range(12)))
        action.unrecognized_action = pick(random, ("view_cart", "purchase"))
        if seldom(random):
            action.total_amount = random.choice((*_NUMBERS, float("nan")))
        if seldom(random):
            action.transaction_id = pick(random, _TEXTS)
        _products(random, action.products)


def _products(random: Random, products: Any) -> None:
    for _ in range(random.randint(0, 3)):
        product = products.add()
        for name in ("id", "name", "brand", "category", "variant"):
            if seldom(random):
                setattr(product, name, pick(random, _TEXTS))
        if mostly(random):
            product.price = random.choice(_NUMBERS)
        if mostly(random):
            product.quantity = random.choice(_QUANTITIES)


def _attribute(random: Random, value: mparticle.AttributeValue, depth: int = 0) -> None:
    kind = random.randint(0, 4 if depth else 6)
    if kind == 0:
        value.string_value = random.choice((*_TEXTS, *_URLS, "E.C.P.click"))
    elif kind == 1:
        value.int_value = random.choice(_INTEGERS)
    elif kind == 2:
        value.double_value = random.choice(_NUMBERS)
    elif kind == 3:
        value.bool_value = random.random() < 0.5
    elif kind == 4:
        value.null_value = True
    elif kind == 5:
        for _ in range(random.randint(0, 3)):
            _attribute(random, value.list_value.values.add(), depth + 1)
        value.list_value.SetInParent()
    else:
        _attribute(random, value.map_value.values["k"], depth + 1)
