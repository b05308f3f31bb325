"""Custom mappings as the settings file has them, checked."""

from dataclasses import dataclass
from typing import Literal

Scalar = str | int | float | bool
Values = tuple[tuple[str, tuple[str, ...]], ...]
"""Name → texts of which one must be met, compared without regard to case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What an event must be like; all that is set must hold."""

    event_type: str | None = None
    event_name: str | None = None
    action: str | None = None
    attributes: Values = ()
    product: Values = ()
    product_attributes: Values = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMapping:
    """Where one TikTok property comes from: a path, or a fixed value; a default."""

    name: str
    path: str | None = None
    value: Scalar | None = None
    default: Scalar | None = None
    required: bool = False
    rule: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomMapping:
    """One mapping to a TikTok event, for events that do not correspond one to one."""

    name: str
    event: str
    match: Match = Match()
    fields: tuple[FieldMapping, ...] = ()
    per: Literal["event", "product"] = "event"
    is_default: bool = False
