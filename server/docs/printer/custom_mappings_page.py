"""The page of custom mappings: what they may hold, and examples worked out."""

import json
from collections.abc import Iterator
from typing import Any

from examples import Example, batch_text, read_examples
from tables import code, table

from tokferry_server.mapping.custom.properties import (
    VALUE_RULES,
    allowed_properties,
    load_properties,
)
from tokferry_server.mapping.outcome import Drop, Origin
from tokferry_server.mapping.tables import read_table

INTRODUCTION = """\
A custom mapping sends an mParticle event as a TikTok event of your choice, with the
properties of your choice. It stands in the settings of a connection; its keys are among
the [settings](settings.md#connectionsnamecustom_mappings). Whatever is wrong with one
is named when settings load, with its key and with what would do: `tokferry check FILE`
does so without a server, and `tokferry transform` shows what would be sent.
"""
MATCHING = """\
All that `match` says must hold. Names and values are compared without regard to case,
and without space around them. Of several texts one must be met, and of an attribute
that is a list one entry must meet one; an empty list is met by any value that is there.
Numbers are compared as they are written without needless zeros (`3`, not `3.0`),
switches as `true` and `false`. One text may stand without brackets.

A product must meet every condition on products. Those that do not are left out of what
is sent, and if none does, the mapping does not match.

Every mapping that matches gives an event; one with `is_default = true` does so only if
no other matches. Those of one name and one source event have ids of their own: the
first the event's id, the second the same with `.2`, and so on, so that TikTok counts
each of them once, sent again or not. `per = "product"` gives one event for each
matching product, numbered likewise. A mapping that matches comes before the native
event, which is not sent then.
"""
FIELDS = """\
A property comes from a path (`from`), or has a fixed `value`. `default` is sent if the
path gives nothing, or nothing that can be sent. If a `required` property has no value,
the mapping gives no event; an event of which no mapping gives one is dropped
`MISSING_REQUIRED_PROPERTY`.

A path begins with `event.` (the event's own `data`), `batch.` (what stands around it)
or `product.`, which may be written `event.product_action.products[*].` as well. Keys
that hold other than letters, digits and `_` stand in brackets:
`event.custom_attributes['plan price']`. The attributes of users are found in any case.

`price`, `quantity`, `content_id`, `content_name`, `content_category` and `brand` stand
in the entries of `contents`: a path of the product fills each product's own entry, any
other the first one. A property of the event takes a path of the product only with
`per = "product"`; the order's total is not filled in there.

For a commerce event the [native rows](mapping.md#of-commerce-events) are filled first,
as far as the TikTok event takes them, and `fields` comes over them. Other events begin
with what [every event](mapping.md#of-every-event) has: who, when and where.
"""
REFUSED = """\
A path to an identity, an address of the network, a user agent or an advertising id is
refused, whichever way it is written, and so is one to an attribute that is called after
one (`email`, `$Mobile`, `phone_number`, `$FirstName`, …): such values are sent hashed,
or in fields of their own, and never as a property. Also refused are: a property that
the TikTok event does not take, a fixed value that its property cannot hold, a name that
is almost a standard one (`add_to_cart`), conditions that no event can meet, a path that
names no value, and a mapping with neither a condition nor `is_default = true`.
"""


def custom_mappings_page() -> str:
    """Give the page."""
    rows = load_properties().values()
    lines = ["# Custom mappings", "", INTRODUCTION]
    lines += ["## What matches", "", MATCHING, "## Where properties come from", ""]
    lines += [FIELDS, "## Which properties there are", ""]
    lines += table(
        ("property", "TikTok field", "rule"),
        ((code(one.name), code(one.tiktok), _rules(one.rule)) for one in rows),
    )
    lines += table(("TikTok event", "properties"), _events())
    lines += ["## What is refused", "", REFUSED, "## Examples", ""]
    lines += ["In each of them this stands around the event:", ""]
    lines += _block("json", batch_text())
    for example in read_examples():
        lines += _example(example)
    return "\n".join(lines)


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(map(code, names))


def _rules(rule: str) -> str:
    own, *others = (code(one) for one in VALUE_RULES[rule])
    return f"{own}, or {' or '.join(others)}" if others else own


def _events() -> Iterator[tuple[str, str]]:
    by_names: dict[str, list[str]] = {}
    for event in read_table("properties.toml")["events"]:
        by_names.setdefault(_names(allowed_properties(event)), []).append(event)
    for names, events in by_names.items():
        yield _names(tuple(events)), names
    yield "every other one, custom names among them", "all"


def _example(example: Example) -> Iterator[str]:
    yield from (f"### {example.title}", "", example.text, "")
    yield from _block("toml", example.mapping)
    yield from _block("json", example.events)
    for outcome, sent in zip(example.outcomes, example.sent, strict=True):
        if outcome.drop is not None:
            yield from _dropped(outcome.drop)
        for mapped, event in zip(outcome.events, sent, strict=True):
            yield from _sent(event, mapped.origins)


def _dropped(drop: Drop) -> Iterator[str]:
    yield f"Nothing is sent: {code(drop.reason.name)}, at {code(drop.field)}."
    yield ""


def _sent(event: dict[str, Any], origins: tuple[Origin, ...]) -> Iterator[str]:
    names = ("event", "event_id", "properties")
    shown = {name: event[name] for name in names if name in event}
    yield from ("becomes", "")
    yield from _block("json", json.dumps(shown, indent=2, ensure_ascii=False))
    yield from (
        table(
            ("TikTok field", "mParticle field", "rule", "mapping"),
            (
                (
                    code(one.tiktok),
                    code(one.mparticle),
                    code(one.rule),
                    one.mapping or "",
                )
                for one in origins
                if one.tiktok.startswith("properties")
            ),
        )
        if "properties" in event
        else ()
    )


def _block(language: str, text: str) -> Iterator[str]:
    yield from (f"```{language}", *text.splitlines(), "```", "")
