"""Rules for where an event happened: address, page, referrer, click id."""

import ipaddress
import re
from typing import Any

from tokferry_server.mapping.outcome import DropReason, WarningCode
from tokferry_server.mapping.rules.texts import as_text
from tokferry_server.mapping.scope import Scope

_CLICK_ID_PREFIX = "E.C.P"
_CLICK_ID_LENGTH = 1000
_SCHEMES = ("http://", "https://")
_EMAIL = re.compile(
    r"[A-Za-z0-9._%+\-]{1,128}(?:@|%40)[A-Za-z0-9.\-]{1,255}\.[A-Za-z]{2,}"
)
"""Bounded, so that an address of any length is looked through in linear time."""
_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/127",
        "64:ff9b:1::/48",
        "100::/64",
        "fc00::/7",
        "fe80::/10",
        "ff00::/8",
    )
)
"""Addresses nobody can be reached at. Documentation ranges are not among them:
TikTok takes them."""
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
IPV4 = re.compile(rf"({_OCTET})(?:\.{_OCTET}){{3}}")
MIXED = frozenset(
    str(octet)
    for network in _REFUSED
    if network.version == 4  # noqa: PLR2004  # IPv4
    for octet in range(network[0].packed[0], network[-1].packed[0] + 1)
)
"""First parts of IPv4 addresses of which some, or all, are refused."""


def public_ip(value: Any, scope: Scope) -> str | None:
    """A public IPv4 or IPv6 address as given; never hashed."""
    given = as_text(value)
    if given is None:
        return None
    if not is_public(given):
        scope.warn(WarningCode.IP_NOT_PUBLIC)
        return None
    return given


def is_public(text: str) -> bool:
    """Whether the text is an address that TikTok can match a user by."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
    return not any(
        address in network for network in _REFUSED if network.version == address.version
    )


def page_url(value: Any, scope: Scope) -> str | None:
    """A full address with scheme; an e-mail address in it is replaced.

    https://docs.mparticle.com/integrations/tiktok/event/ demands the scheme.
    """
    given = as_text(value)
    if given is None:
        return None
    if not given.lower().startswith(_SCHEMES):
        scope.refuse(DropReason.INVALID_PAGE_URL)
        return None
    return _without_email(given, scope)


def referrer(value: Any, scope: Scope) -> str | None:
    """As the page's address, but left out when it has no scheme."""
    given = as_text(value)
    if given is None:
        return None
    if not given.lower().startswith(_SCHEMES):
        scope.warn(WarningCode.REFERRER_INVALID)
        return None
    return _without_email(given, scope)


def click_id(value: Any, scope: Scope) -> str | None:
    """A TikTok click id (ttclid), never cut.

    https://business-api.tiktok.com/portal/docs/send-tiktok-click-id-ttclid/v1.3
    """
    given = as_text(value)
    if given is None:
        return None
    if not given.startswith(_CLICK_ID_PREFIX) or len(given) > _CLICK_ID_LENGTH:
        scope.warn(WarningCode.CLICK_ID_INVALID)
        return None
    return given


def _without_email(url: str, scope: Scope) -> str:
    if "@" not in url and "%40" not in url:
        return url
    cleaned, found = _EMAIL.subn("redacted", url)
    if found:
        scope.warn(WarningCode.URL_HOLDS_EMAIL)
    return cleaned
