"""Which values need no rule, since it would give them as they are and say nothing.

Most values that senders write are plain. Compiled mappings ask this first, as one
expression in line, and call the rule only for the rest. A condition may be too narrow,
never too wide: tests hold each against its rule.

Of several ways to ask, the one that CPython does fastest was measured: methods of none
or one argument (``removeprefix``, ``__trunc__``) cost a fifth of ``startswith`` and
``int``, and a float compared with a float a fifth of one compared with an integer.
"""

from collections.abc import Mapping
from hashlib import sha256
from itertools import product
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Final

from tokferry_server.mapping.phone import is_e164, known_regions
from tokferry_server.mapping.rules.attributes import US_STATES, US_ZIP_DIGITS
from tokferry_server.mapping.rules.device import APPLE, GOOGLE
from tokferry_server.mapping.rules.page import IPV4, MIXED
from tokferry_server.tiktok.names import ATT_STATUSES, CURRENCIES

NAMES: Final[dict[str, Any]] = {
    "APPLE": frozenset({*APPLE, "iOS", "tvOS"}),
    "ATT_STATUSES": ATT_STATUSES,
    "CURRENCIES": CURRENCIES,
    "GOOGLE": frozenset({*GOOGLE, "Android"}),
    "IPV4": IPV4.fullmatch,
    "MIXED": MIXED,
    "TWO_CAPITALS": frozenset(map("".join, product(ascii_uppercase, repeat=2))),
    "TWO_SMALL": frozenset(map("".join, product(ascii_lowercase, repeat=2))),
    "US_STATES": US_STATES,
    "US_ZIP_DIGITS": US_ZIP_DIGITS,
    "is_e164": is_e164,
    "known_regions": known_regions,
    "sha256": sha256,
}
"""What conditions, and what is done, refer to."""

_TEXT = "type({0}) is str and {0} > '1' and {0}.strip() is {0}"
_INTEGER = "type({0}) is int and -9007199254740992 < {0} < 9007199254740992"
_FRACTION = "type({0}) is float and 0.0 < {0} % 1.0"
_WHOLE_FLOAT = (
    "type({0}) is float and {0}.is_integer()"
    " and -9007199254740992.0 < {0} < 9007199254740992.0"
)
_ADDRESS = (
    "type({0}) is str and {0}.removeprefix('https://') is not {0}"
    " and {0}.strip() is {0} and '@' not in {0} and '%40' not in {0}"
)

PLAIN: Final[Mapping[str, str]] = {
    "text": _TEXT,  # what begins with 0 might be an all-zero UUID, and sorts below 1
    "number": f"({_FRACTION} or {_INTEGER})",
    "integer": _INTEGER,
    "currency": "type({0}) is str and {0} in CURRENCIES",
    "page_url": _ADDRESS,
    "referrer": _ADDRESS,
    "click_id": (
        "type({0}) is str and {0}.removeprefix('E.C.P') is not {0}"
        " and {0}.strip() is {0} and len({0}) <= 1000"
    ),
    "event_id": (
        "type({0}) is str and {0}.isascii() and {0}.isprintable()"
        " and {0}.strip() is {0} and {0}.strip('0-') and len({0}) <= 128"
        " and '@' not in {0}"
    ),
    "flag": "{0} is True",
    "public_ip": (
        "type({0}) is str and (octets := IPV4({0})) and octets[1] not in MIXED"
    ),
}
"""Rule → condition on the value ``{0}``."""

_ASCII = "type({0}) is str and {0}.isascii()"
_JOINED = "(joined := {0}.replace(' ', ''))"
_ALONE = "len({0}) == 1 and type(one := {0}[0][1]) is str"
_ON = (
    "(device := scope.batch.device_info)"
    " and type(device.platform) is str and device.platform in"
)
_STATUS = "type({0}) is str and (status := {0}.upper()) in ATT_STATUSES"
_TRACKED = "device.limit_ad_tracking in (None, False)"
_HASHED = "{0} = sha256({0}.encode()).hexdigest()"

# Text shorter than a digest is none; 36 characters might be an all-zero UUID.
EASY: Final[Mapping[str, tuple[str, ...]]] = {
    "number": (_WHOLE_FLOAT, "{0} = {0}.__trunc__()"),
    "integer": (_WHOLE_FLOAT, "{0} = {0}.__trunc__()"),
    "unix_seconds": (
        "type({0}) is int and 100000000000 <= {0} <= 253402300799999",
        "scope.time_ms = {0}",
        "{0} = {0} // 1000",
    ),
    "email": (
        f"{_ALONE} and one.strip() is one and 0 < one.rfind('@') < len(one) - 1",
        "{0} = one.lower()",
        _HASHED,
    ),
    "phone": (f"{_ALONE} and is_e164(one)", "{0} = one", _HASHED),
    "external_id": (
        f"{_ALONE} and '1' < one and len(one) < 64 and one.strip() is one",
        "{0} = one.lower() if scope.connection.external_id_case == 'lower' else one",
        _HASHED,
    ),
    "locale": (
        (
            "type({0}[0]) is str and {0}[0] in TWO_SMALL"
            " and type({0}[1]) is str and {0}[1] in TWO_CAPITALS"
        ),
        "{0} = {0}[0] + '-' + {0}[1]",
    ),
    "name": (
        f"{_ASCII} and {_JOINED}.isalpha() and len({{0}}) < 64",
        "{0} = joined.lower()",
        _HASHED,
    ),
    "city": (f"{_ASCII} and {_JOINED}.isalpha()", "{0} = joined.lower()"),
    "state": (
        f"{_ASCII} and {{0}}.isalpha()",
        "{0} = {0}.lower()",
        "if scope.region() == 'US':",
        "    {0} = US_STATES.get({0}, {0})",
    ),
    "country": (
        "type({0}) is str and {0} in known_regions()",
        "{0} = {0}.lower()",
    ),
    "zip_code": (
        f"{_ASCII} and {_JOINED}.isalnum() and len({{0}}) < 36",
        "{0} = joined.lower()",
        "if scope.region() == 'US':",
        "    {0} = {0}[:US_ZIP_DIGITS]",
        _HASHED,
    ),
    "idfa": (f"{_TEXT} and {_ON} APPLE and {_TRACKED}", "{0} = {0}.upper()"),
    "gaid": (f"{_TEXT} and {_ON} GOOGLE and {_TRACKED}", "{0} = {0}.lower()"),
    "idfv": (f"{_TEXT} and {_ON} APPLE", "pass"),
    "att_status": (f"{_STATUS} and {_ON} APPLE", "{0} = status"),
}
"""Rule → condition on a value that is not plain, and what the rule then does."""

ONLY_OF_EVENTS: Final = frozenset({"unix_seconds"})
"""Not easy in a batch: the rule warns that an event has none of its own."""

ONLY_UNEXPLAINED: Final = frozenset({"email", "phone", "external_id"})
"""Not easy in an explanation: the rule finds out of which identity the value is."""
