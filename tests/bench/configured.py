"""The settings that are measured with: a web and an app connection, as a shop has."""

import tomllib
from pathlib import Path
from typing import Final

from tokferry_server.mapping.connection import Connection
from tokferry_server.settings import settings_from_mapping

TOKEN: Final = "a-made-up-token"
TOKEN_VARIABLE: Final = "BENCH_TOKEN"
OUTBOX: Final = """\
[outbox]
max_rows = 2000000
max_bytes = 4294967296
"""
_HEAD: Final = """\
[server]
state_dir = "state"

[tiktok]
base_url = "{url}"
allow_loopback = true

{outbox}
"""
_CONNECTION: Final = """\
[connections.{name}]
pixel_id = "C4MADEUPPIXEL0000001"
access_token = {{ env = "BENCH_TOKEN" }}
native_events = "extended"
rate = 100000
{more}

[connections.{name}.consent]
gdpr_purposes = ["advertising"]
"""
_MORE: Final = {
    "web": "user_attributes = true",
    "app": 'event_source = "app"\napp_id = "1234567890"',
}
_NAMED: Final = """
[[connections.web.custom_mappings]]
name = "custom {number}"
match = {{ event_type = "custom_event", event_name = "Named {number}" }}
event = "Subscribe"
fields.value = {{ from = "event.custom_attributes['plan price']", required = true }}
fields.currency = {{ value = "USD" }}
"""
_ACTION: Final = """
[[connections.web.custom_mappings]]
name = "on {action}"
match = {{ event_type = "commerce_event", action = "{action}"{more} }}
event = "CompletePayment"
fields.value = {{ from = "event.product_action.total_amount" }}
fields.currency = {{ from = "event.currency_code" }}
"""
_OTHER_ACTIONS: Final = (
    *("add_to_cart", "remove_from_cart", "add_to_wishlist", "refund", "click"),
    *("checkout", "checkout_option", "view_detail"),
)


def settings_text(
    *, url: str = "http://127.0.0.1:1", outbox: bool = False, connections: int = 0
) -> str:
    """Write a settings file; ``connections`` more are like the one of the web."""
    parts = [_HEAD.format(url=url, outbox=OUTBOX if outbox else "")]
    names = [*_MORE, *(f"web{number}" for number in range(connections))]
    for name in names:
        more = _MORE.get(name, _MORE["web"])
        parts.append(_CONNECTION.format(name=name, more=more))
    return "\n".join(parts)


def connection(name: str, *, mappings: int = 0, matching: bool = False) -> Connection:
    """Give a connection; of its custom mappings only the last may match a purchase."""
    text = settings_text() + "".join(_mappings(mappings, matching=matching))
    return settings_from_mapping(tomllib.loads(text)).connections[name].mapping


def write_settings(folder: Path, text: str) -> Path:
    """Write the file into a folder of its own."""
    file = folder / "tokferry.toml"
    file.write_text(text)
    return file


def _mappings(count: int, *, matching: bool) -> list[str]:
    """Most are for custom events by name, the others for commerce events by action."""
    by_action = [
        _ACTION.format(action=action, more=', attributes = { store = "Köln" }')
        for action in _OTHER_ACTIONS[: max(0, count - 1)]
    ]
    last = [_ACTION.format(action="purchase", more="")] if matching and count else []
    named = range(count - len(by_action) - len(last))
    return [_NAMED.format(number=number) for number in named] + by_action + last
