"""What is wrong with a custom mapping, beyond the types of its keys."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from tokferry_server.mapping.custom.model import CustomMapping, FieldMapping, Scalar
from tokferry_server.mapping.custom.personal import is_personal
from tokferry_server.mapping.custom.properties import (
    VALUE_RULES,
    Property,
    allowed_properties,
    load_properties,
)
from tokferry_server.mapping.paths import PathError, parse_path
from tokferry_server.mapping.rules.amounts import as_number
from tokferry_server.tiktok.names import (
    APP_EVENTS,
    CURRENCIES,
    CUSTOM_EVENT_NAME,
    RENAMED_EVENTS,
    RETIRING_EVENTS,
    STANDARD_EVENTS,
)


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
    yield from _match_faults(mapping)
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
    text = None
    folded = _folded(mapping.event)
    if any(_folded(name) == folded for name in standard):
        text = "is a TikTok standard name, spelt otherwise"
    elif event_source == "offline":
        text = "offline events have standard names only"
    elif not CUSTOM_EVENT_NAME.fullmatch(mapping.event):
        text = (
            "must be a TikTok standard name, or a custom name of at most 50 "
            "letters, digits, _ and - that begins with a letter"
        )
    if text is not None:
        allowed = tuple(sorted(standard))
        yield Fault(key="event", text=text, given=mapping.event, allowed=allowed)


def _folded(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _match_faults(mapping: CustomMapping) -> Iterator[Fault]:
    """Yield the conditions that no event can meet together."""
    match = mapping.match
    if match.event_type in (None, "commerce_event"):
        return
    for key, wants, things in (
        ("match.action", match.action is not None, "an action"),
        ("match.product", bool(match.product), "products"),
        ("match.product_attributes", bool(match.product_attributes), "products"),
        ("per", mapping.per == "product", "products"),
    ):
        if wants:
            text = f"only commerce events have {things}: set event_type = "
            yield Fault(key=key, text=f'{text}"commerce_event", or leave it out')


def _field_faults(
    key: str, field: FieldMapping, known: Property, mapping: CustomMapping
) -> Iterator[Fault]:
    if (field.path is None) == (field.value is None):
        yield Fault(key=key, text="set either 'from' or 'value'")
    rules = VALUE_RULES[known.rule]
    if field.rule is not None and field.rule not in rules:
        yield Fault(
            key=f"{key}.rule",
            text=f"is not a rule that makes {known.name}",
            given=field.rule,
            allowed=rules,
        )
    for name in ("value", "default"):
        literal: Scalar | None = getattr(field, name)
        rule = field.rule if field.rule and field.rule in rules else known.rule
        problem = _literal_problem(literal, rule)
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
        yield Fault(
            key=key, text=str(error), given=error.given, allowed=tuple(error.allowed)
        )
        return
    if is_personal(path):
        yield Fault(
            key=key,
            text="names a person, a device or an address; those are hashed or sent in "
            "their own fields, never as a property",
        )
    elif path.is_of_product and not known.in_contents and mapping.per == "event":
        yield Fault(
            key=key,
            text=f"{known.name} has one value for the event, and the event has many "
            'products: set per = "product", or take a path of the event',
        )


def _literal_problem(literal: Scalar | None, rule: str) -> str | None:
    if literal is None:
        return None
    if isinstance(literal, str) and not literal.strip():
        return "must not be blank"
    if rule == "currency":
        known = str(literal).strip().upper() in CURRENCIES
        return None if known else "must be a currency that TikTok takes, such as USD"
    if rule == "text":
        finite = not isinstance(literal, float) or math.isfinite(literal)
        return None if finite else "must be a finite number"
    number = as_number(literal)
    if number is None:
        return "must be a finite number"
    whole = rule == "number" or isinstance(number, int)
    return None if whole else "must be a whole number"
