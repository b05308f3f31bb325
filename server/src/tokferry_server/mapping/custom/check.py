"""What is wrong with a custom mapping, beyond the types of its keys."""

from collections.abc import Iterator
from dataclasses import dataclass

from tokferry_server.mapping.custom.model import CustomMapping, FieldMapping, Scalar
from tokferry_server.mapping.custom.properties import (
    VALUE_RULES,
    Property,
    allowed_properties,
    load_properties,
)
from tokferry_server.mapping.paths import PRODUCTS, Path, PathError, parse_path
from tokferry_server.mapping.rules.amounts import as_number
from tokferry_server.tiktok.names import (
    APP_EVENTS,
    CURRENCIES,
    CUSTOM_EVENT_NAME,
    RENAMED_EVENTS,
    RETIRING_EVENTS,
    STANDARD_EVENTS,
)

_PERSONAL = (
    "batch.user_identities",
    "batch.mpid",
    "batch.ip",
    "batch.partner_identit",
    "batch.mp_deviceid",
    "batch.device_info.http_header_user_agent",
    "event.device_info.http_header_user_agent",
    "batch.device_info.ios_advertising_id",
    "batch.device_info.ios_idfv",
    "batch.device_info.android_advertising_id",
)
"""Paths that name a person, device or address: these are hashed or sent in their own
fields, and never as a property."""
_PERSONAL_ATTRIBUTES = ("$mobile", "$firstname", "$lastname", "$address", "$email")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong: the key inside the mapping, the text, and what would do."""

    key: str
    text: str
    given: str | None = None
    allowed: tuple[str, ...] = ()


def faults(mapping: CustomMapping, event_source: str) -> Iterator[Fault]:
    """Yield everything that is wrong with the mapping."""
    yield from _event_faults(mapping, event_source)
    if mapping.match.action is not None and mapping.match.event_type not in (
        None,
        "commerce_event",
    ):
        yield Fault(key="match.action", text="only commerce events have an action")
    properties = load_properties()
    allowed = allowed_properties(mapping.event)
    for field in mapping.fields:
        key = f"fields.{field.name}"
        if field.name not in allowed:
            text = (
                f"{mapping.event} does not take this property"
                if field.name in properties
                else "is not a property of TikTok events"
            )
            yield Fault(key=key, text=text, given=field.name, allowed=allowed)
        else:
            yield from _field_faults(key, field, properties[field.name], mapping)
    names = [field.name for field in mapping.fields]
    if "query" in names and "search_string" in names:
        yield Fault(
            key="fields.query", text="and search_string are one property: set only one"
        )


def _event_faults(mapping: CustomMapping, event_source: str) -> Iterator[Fault]:
    standard = set(APP_EVENTS if event_source == "app" else STANDARD_EVENTS)
    if event_source != "app":
        standard |= RENAMED_EVENTS.keys()
    if event_source == "web":
        standard |= RETIRING_EVENTS
    if mapping.event in standard:
        return
    if event_source == "offline":
        yield Fault(
            key="event",
            text="offline events have standard names only",
            given=mapping.event,
            allowed=tuple(sorted(standard)),
        )
    elif not CUSTOM_EVENT_NAME.fullmatch(mapping.event):
        yield Fault(
            key="event",
            text="must be a TikTok standard name, or a custom name of at most 50 "
            "letters, digits, _ and - that begins with a letter",
            given=mapping.event,
        )


def _field_faults(
    key: str, field: FieldMapping, known: Property, mapping: CustomMapping
) -> Iterator[Fault]:
    if (field.path is None) == (field.value is None):
        yield Fault(key=key, text="set either 'from' or 'value'")
    if field.rule is not None and field.rule not in VALUE_RULES:
        yield Fault(
            key=f"{key}.rule",
            text="is not a rule for properties",
            given=field.rule,
            allowed=VALUE_RULES,
        )
    for name in ("value", "default"):
        literal: Scalar | None = getattr(field, name)
        problem = _literal_problem(literal, field.rule or known.rule)
        if problem is not None:
            yield Fault(key=f"{key}.{name}", text=problem)
    if field.value is not None and field.default is not None:
        yield Fault(key=f"{key}.default", text="a fixed value needs no default")
    if field.path is not None:
        yield from _path_faults(f"{key}.from", field.path, known, mapping)


def _path_faults(
    key: str, text: str, known: Property, mapping: CustomMapping
) -> Iterator[Fault]:
    try:
        path = parse_path(text)
    except PathError as error:
        yield Fault(key=key, text=str(error))
        return
    if _is_personal(text):
        yield Fault(
            key=key,
            text="names a person, a device or an address; those are hashed or sent in "
            "their own fields, never as a property",
        )
    elif _is_of_product(path) and not known.in_contents and mapping.per == "event":
        yield Fault(
            key=key,
            text=f"{known.name} has one value for the event, and the event has many "
            'products: set per = "product", or take a path of the event',
        )


def _is_of_product(path: Path) -> bool:
    return path.root == "product" or PRODUCTS in path.text


def _is_personal(text: str) -> bool:
    if text.startswith(_PERSONAL):
        return True
    if not text.startswith("batch.user_attributes"):
        return False
    name = text.removeprefix("batch.user_attributes").strip(".[]'").lower()
    return name in _PERSONAL_ATTRIBUTES


def _literal_problem(literal: Scalar | None, rule: str) -> str | None:
    if literal is None:
        return None
    if isinstance(literal, str) and not literal.strip():
        return "must not be blank"
    if rule in ("number", "integer"):
        number = as_number(literal)
        if number is None:
            return "must be a finite number"
        if rule == "integer" and not isinstance(number, int):
            return "must be a whole number"
    if rule == "currency" and str(literal).strip().upper() not in CURRENCIES:
        return "must be a currency that TikTok takes, such as USD"
    return None
