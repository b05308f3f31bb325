"""Rules for text: what counts as absent, locales, and enumerations."""

import re
from typing import Any

from tokferry_server.mapping.outcome import WarningCode
from tokferry_server.mapping.scope import Scope

_UUID_LENGTH = 36
_LARGEST_EXACT = 2**53
_LANGUAGE = re.compile(
    r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}|[0-9]{3}))?"
)
_COUNTRY = re.compile(r"[A-Za-z]{2}")


def as_text(value: Any) -> str | None:
    """Give a scalar as trimmed text; blank text and all-zero UUIDs are absent.

    Whole numbers are written without a fraction. Anything but text and numbers has no
    text of its own and is absent.
    """
    if isinstance(value, str):
        trimmed = value.strip()
        if trimmed[:1] == "0" and _is_zero_uuid(trimmed):
            return None
        return trimmed or None
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < _LARGEST_EXACT
        return str(int(value)) if whole else repr(value)
    return None


def is_blank_text(value: Any) -> bool:
    """Whether the value is text that counts as absent."""
    return isinstance(value, str) and as_text(value) is None


def text(value: Any, _scope: Scope) -> str | None:
    """Text as given, trimmed."""
    return as_text(value)


def flag(value: Any, _scope: Scope) -> bool | None:
    """True, or absent: a switch that is off is not written."""
    return True if value is True else None


def locale(value: Any, scope: Scope) -> str | None:
    """BCP 47 from language and country: ``en-US``; each part alone must be right."""
    language, country = as_text(value[0]), as_text(value[1])
    if language is None:
        return None
    parts = _LANGUAGE.fullmatch(language)
    if parts is None:
        scope.warn(WarningCode.LOCALE_INVALID, "batch.device_info.locale_language")
        return None
    tag, script, region = parts.groups()
    if country is not None:
        if _COUNTRY.fullmatch(country):
            region = country
        else:
            scope.warn(WarningCode.LOCALE_INVALID, "batch.device_info.locale_country")
    return "-".join(
        part
        for part in (tag.lower(), script and script.title(), region and region.upper())
        if part
    )


def _is_zero_uuid(value: str) -> bool:
    return len(value) == _UUID_LENGTH and not value.strip("0-")
