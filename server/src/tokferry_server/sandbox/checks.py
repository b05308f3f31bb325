"""Checks of single values, as TikTok documents them and stricter.

https://business-api.tiktok.com/portal/docs?id=1771101303285761
"""

import ipaddress
import math
import re
from collections.abc import Collection
from datetime import datetime
from urllib.parse import urlsplit

from tokferry_server.sandbox.shape import INVALID, Check, Finding, array_of
from tokferry_server.tiktok import names

NOT_HASHED = 40062

_DIGEST = re.compile(r"[0-9a-f]{64}")
_CARRIER_GRADE_NAT = ipaddress.ip_network("100.64.0.0/10")
_DOCUMENTATION = tuple(
    ipaddress.ip_network(text)
    for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
)
_FIRST_MILLISECONDS = 10**11
_TTCLID_LIMIT = 1000


def text(value: object, _source: str) -> Finding | None:
    """Refuse what is not a text, is blank, or cannot be written as UTF-8."""
    if not isinstance(value, str):
        return Finding(reason="Not a valid string", value=value)
    if not value.strip():
        return Finding(reason="Empty string", value=value)
    if any("\ud800" <= character <= "\udfff" for character in value):
        return Finding(reason="Not valid Unicode", value=ascii(value))
    return None


def matching(pattern: str, reason: str, code: int = INVALID) -> Check:
    """Check a text against a pattern that must match in full."""
    compiled = re.compile(pattern)

    def check(value: object, source: str) -> Finding | None:
        finding = text(value, source)
        if finding is None and not compiled.fullmatch(str(value)):
            return Finding(reason=reason, value=value, code=code)
        return finding

    return check


digest = matching(_DIGEST.pattern, "Not a lower-case SHA-256 digest", NOT_HASHED)


def digests(value: object, source: str) -> Finding | None:
    """Check one digest, or an array of different digests."""
    if not isinstance(value, list):
        return digest(value, source)
    finding = array_of(digest)(value, source)
    if finding is None and len(set(value)) != len(value):
        return Finding(reason="Repeated value")
    return finding


def one_of(allowed: Collection[str]) -> Check:
    """Check that the value is one of a closed list."""

    def check(value: object, _source: str) -> Finding | None:
        if isinstance(value, str) and value in allowed:
            return None
        return Finding(reason="Not a valid choice", value=value)

    return check


def flag(value: object, _source: str) -> Finding | None:
    """Refuse what is not true or false."""
    if isinstance(value, bool):
        return None
    return Finding(reason="Not a valid boolean", value=value)


def integer(value: object, _source: str) -> Finding | None:
    """Refuse what is not written as a whole number from 0 up."""
    if type(value) is not int or value < 0:
        return Finding(reason="Not a valid integer", value=value)
    return None


def number(value: object, _source: str) -> Finding | None:
    """Refuse what is not a finite number."""
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return None
    return Finding(reason="Not a valid number", value=value)


def unix_seconds(value: object, source: str) -> Finding | None:
    """Refuse what is not in Unix seconds: milliseconds are the usual mistake."""
    finding = integer(value, source)
    if finding is None and isinstance(value, int) and value >= _FIRST_MILLISECONDS:
        return Finding(reason="Not in seconds", value=value)
    return finding


def iso_8601(value: object, source: str) -> Finding | None:
    """Refuse what is not an ISO 8601 time with its offset."""
    finding = text(value, source)
    if finding is not None:
        return finding
    try:
        aware = datetime.fromisoformat(str(value)).tzinfo is not None
    except ValueError:
        aware = False
    return None if aware else Finding(reason="Not a valid datetime", value=value)


def web_address(value: object, source: str) -> Finding | None:
    """Refuse what is not a full http or https address."""
    finding = text(value, source)
    if finding is not None:
        return finding
    try:
        parts = urlsplit(str(value))
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        valid = False
    return None if valid else Finding(reason="Not a valid URL", value=value)


def public_address(value: object, source: str) -> Finding | None:
    """Refuse addresses that no user can come from; documentation ranges pass."""
    finding = text(value, source)
    if finding is not None:
        return finding
    try:
        address = ipaddress.ip_address(str(value))
    except ValueError:
        return Finding(reason="Not a valid IP address", value=value)
    if any(address in network for network in _DOCUMENTATION):
        return None
    if address.is_global and address not in _CARRIER_GRADE_NAT:
        return None
    return Finding(reason="Not a public IP address", value=value)


def event_name(value: object, source: str) -> Finding | None:
    """Refuse names that TikTok would not take: offline knows standard ones only."""
    finding = text(value, source)
    if finding is not None:
        return finding
    name = str(value)
    if len(name) > names.MAX_EVENT_NAME:
        return Finding(reason="Longer than maximum length 50", value=value)
    if not names.CUSTOM_EVENT_NAME.fullmatch(name):
        return Finding(reason="Not a valid event name", value=value)
    known = names.STANDARD_EVENTS | names.RENAMED_EVENTS.keys() | names.RETIRING_EVENTS
    if source == "offline" and name not in known:
        return Finding(reason="Not a standard event", value=value)
    return None


def click_id(value: object, source: str) -> Finding | None:
    """Refuse click ids that were cut or made up."""
    finding = text(value, source)
    if finding is not None:
        return finding
    if len(str(value)) > _TTCLID_LIMIT or not str(value).startswith("E.C.P"):
        return Finding(reason="Not a valid ttclid", value=value)
    return None
