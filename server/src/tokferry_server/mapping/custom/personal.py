"""Which paths name a person, a device or an address, whichever way they are written."""

import re

from tokferry_server.mapping.paths import Path

_PERSONAL: dict[str, frozenset[str] | None] = {
    "user_identities": None,
    "partner_identities": None,
    "mpid": None,
    "ip": None,
    "device_info": frozenset(
        {
            "http_header_user_agent",
            "ios_advertising_id",
            "ios_idfv",
            "android_advertising_id",
        }
    ),
}
"""Members of which all, or some, are hashed or sent in fields of their own."""

_MAPS = ("user_attributes", "custom_attributes", "custom_flags")
_NAMES = {
    "email",
    "emailaddress",
    "firstname",
    "ipaddress",
    "lastname",
    "mobilenumber",
    "phonenumber",
    "useragent",
}
_NAMES_OF_USERS = {"address", "ip", "mobile", "phone"}
"""Of users only: the attribute of an event may be a shop's address."""
_NAMES_OF_FLAGS = {"tiktokcallback", "tiktokclickid", "tiktokttp"}
_NOT_LETTERS = re.compile(r"[^a-z]")


def is_personal(path: Path) -> bool:
    """Whether the value must not stand in a property in clear text."""
    first, *below = path.steps
    if first in _PERSONAL:
        inner = _PERSONAL[first]
        return inner is None or below[0] in inner
    if first not in _MAPS:
        return False
    names = set(_NAMES)
    if first == "user_attributes":
        names |= _NAMES_OF_USERS
    elif first == "custom_flags":
        names |= _NAMES_OF_FLAGS
    spellings = (*below, "".join(below))
    return any(_NOT_LETTERS.sub("", step.lower()) in names for step in spellings)
