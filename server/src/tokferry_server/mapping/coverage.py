"""The keys by which TikTok can match an event to a user, and how many carry each."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter

from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.table import load_fields
from tokferry_server.tiktok.model import Event, User

MATCH_KEYS: Mapping[str, tuple[str, ...]] = {
    "email": ("user.email",),
    "phone": ("user.phone",),
    "external_id": ("user.external_id",),
    "ttclid": ("user.ttclid",),
    "ttp": ("user.ttp",),
    "ip": ("user.ip",),
    "user_agent": ("user.user_agent",),
    "idfa": ("user.idfa",),
    "idfv": ("user.idfv",),
    "gaid": ("user.gaid",),
    "lead_id": ("lead.lead_id",),
    "name": ("user.first_name", "user.last_name"),
    "address": ("user.zip_code", "user.city", "user.state", "user.country"),
}
"""Match key → the TikTok fields of which any one makes the key."""

_NOBODY = User()
_KEYS = {
    path.removeprefix("user."): key
    for key, paths in MATCH_KEYS.items()
    for path in paths
    if path.startswith("user.")
}
_values = attrgetter(*_KEYS)


def match_keys(event: Event) -> list[str]:
    """Give the keys that the event carries, in the order of ``MATCH_KEYS``."""
    values = zip(_KEYS.values(), _values(event.user or _NOBODY), strict=True)
    found = {key for key, value in values if value is not None}
    if event.lead is not None and event.lead.lead_id is not None:
        found.add("lead_id")
    return [key for key in MATCH_KEYS if key in found]


def possible_keys(connection: Connection) -> tuple[str, ...]:
    """Give the keys that events of the connection can carry, by its settings."""
    fields = load_fields()
    rows = fields.rows
    if connection.user_attributes:
        rows += fields.user_attributes
    written = {
        row.tiktok
        for row in rows
        if connection.event_source in row.sources
        and (row.legacy or connection.wire_format == "events_2")
    }
    return tuple(key for key, paths in MATCH_KEYS.items() if written & set(paths))


@dataclass(slots=True)
class Coverage:
    """How many TikTok events there are, and how many of them carry each key."""

    events: int = 0
    keys: Counter[str] = field(default_factory=Counter)

    def add(self, event: Event) -> None:
        """Count one TikTok event."""
        self.events += 1
        self.keys.update(match_keys(event))
