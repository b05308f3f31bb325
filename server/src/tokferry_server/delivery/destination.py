"""Which addresses a connection may be made to, whatever a name resolves to.

Only globally reachable ones, so that no name leads into the operator's own network:
https://www.iana.org/assignments/iana-ipv4-special-registry/ and its IPv6 twin.
"""

import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")
# Python's own tables differ from one patch release to the next; these are ours.
_SPECIAL_4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
_SPECIAL_6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)


def may_connect(address: str, *, loopback: bool) -> bool:
    """Say whether a connection to an IP address is allowed.

    ``loopback``: only this very machine is, else only globally reachable addresses. An
    IPv4 address within an IPv6 one counts as itself.
    """
    try:
        found = _bare(ipaddress.ip_address(address))
    except ValueError:
        return False
    if loopback:
        return found.is_loopback
    if isinstance(found, IPv4Address):
        return not any(found in network for network in _SPECIAL_4)
    special = any(found in network for network in _SPECIAL_6)
    return found in _GLOBAL_UNICAST and not special and found.scope_id is None


def _bare(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Take the IPv4 address out of a mapped one, or of one that NAT64 has made."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address
