"""Which properties a TikTok event takes from a custom mapping."""

from dataclasses import dataclass
from functools import cache

from tokferry_server.mapping.tables import read_table

ALWAYS = "description"
WITH_CONTENT_ID = ("content_ids", "content_type")
"""What follows from the products' ids, and comes and goes with them."""
VALUE_RULES = {
    "text": ("text", "currency"),
    "number": ("number", "integer"),
    "integer": ("integer",),
    "currency": ("currency",),
}
"""A property's own rule → the rules that make what TikTok takes for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One property: its TikTok member, the rule that makes it, where it stands."""

    name: str
    tiktok: str
    rule: str

    @property
    def member(self) -> str:
        """The last name of its TikTok path."""
        return self.tiktok.rpartition(".")[2]

    @property
    def in_contents(self) -> bool:
        """Whether it is one of each product's members."""
        return "contents[*]" in self.tiktok


@cache
def load_properties() -> dict[str, Property]:
    """Give every property by its name."""
    return {
        name: Property(name=name, tiktok=tiktok, rule=rule)
        for name, tiktok, rule in read_table("properties.toml")["rows"]
    }


@cache
def allowed_properties(event: str) -> tuple[str, ...]:
    """Give the names of the properties that the TikTok event takes."""
    listed: dict[str, list[str]] = read_table("properties.toml")["events"]
    if event not in listed:
        return tuple(load_properties())
    return (*listed[event], ALWAYS)


def allowed_members(event: str) -> frozenset[str]:
    """Give the TikTok members that native rows may fill for the event."""
    properties = load_properties()
    members = {properties[name].member for name in allowed_properties(event)}
    if "content_id" in members:
        members.update(WITH_CONTENT_ID)
    return frozenset(members)
