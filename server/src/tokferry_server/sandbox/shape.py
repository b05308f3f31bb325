"""Checks of JSON objects and arrays: no unknown member, none missing, none empty.

A check takes a decoded JSON value and the event source it stands in, and gives the
first finding, or None.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from tokferry_server.tiktok.names import EVENT_SOURCES

INVALID = 40002


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong with one value, and where below the value that was checked."""

    reason: str
    value: object = None
    path: tuple[str, ...] = ()
    code: int = INVALID

    def below(self, step: str) -> "Finding":
        """Give the same finding as seen from one level up."""
        return replace(self, path=(step, *self.path))


Check = Callable[[object, str], Finding | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of a JSON object: its check, and the event sources that know it."""

    check: Check
    sources: Collection[str] = EVENT_SOURCES
    required: Collection[str] = ()


Shape = Mapping[str, Member]


def object_of(shape: Shape) -> Check:
    """Check an object: no unknown member, none missing, each one right."""

    def check(value: object, source: str) -> Finding | None:
        if not isinstance(value, dict):
            return Finding(reason="Not a valid object", value=value)
        if not value:
            return Finding(reason="Empty object", value=value)
        for name in value:
            if name not in shape:
                return Finding(reason="Unknown field", value=name).below(str(name))
        for name, member in shape.items():
            finding = _member(value, name, member, source)
            if finding is not None:
                return finding.below(name)
        return None

    return check


def _member(
    value: dict[str, object], name: str, member: Member, source: str
) -> Finding | None:
    if name not in value:
        if source in member.required:
            return Finding(reason="Missing data for required field")
        return None
    if source not in member.sources:
        return Finding(reason=f"Not allowed for event source {source}")
    return member.check(value[name], source)


def array_of(check: Check, most: int | None = None) -> Check:
    """Check each element of an array that is not empty."""

    def check_all(value: object, source: str) -> Finding | None:
        if not isinstance(value, list):
            return Finding(reason="Not a valid list", value=value)
        if not value:
            return Finding(reason="Empty list", value=value)
        if most is not None and len(value) > most:
            return Finding(reason=f"Longer than maximum length {most}")
        for index, element in enumerate(value):
            finding = check(element, source)
            if finding is not None:
                return finding.below(str(index))
        return None

    return check_all
