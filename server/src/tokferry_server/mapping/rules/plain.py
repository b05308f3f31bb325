"""Which values need no rule, since it would give them as they are and say nothing.

Most values that senders write are plain. Compiled mappings ask this first, as one
expression in line, and call the rule only for the rest. A condition may be too narrow,
never too wide: tests hold each against its rule.

Of several ways to ask, the one that CPython does fastest was measured: methods of none
or one argument (``removeprefix``, ``__trunc__``) cost a fifth of ``startswith`` and
``int``, and a float compared with a float a fifth of one compared with an integer.
"""

from collections.abc import Mapping
from typing import Final

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
}
"""Rule → condition on the value ``{0}``."""

EASY: Final[Mapping[str, tuple[str, ...]]] = {
    "number": (_WHOLE_FLOAT, "{0} = {0}.__trunc__()"),
    "integer": (_WHOLE_FLOAT, "{0} = {0}.__trunc__()"),
    "unix_seconds": (
        "type({0}) is int and 100000000000 <= {0} <= 253402300799999",
        "scope.time_ms = {0}",
        "{0} = {0} // 1000",
    ),
}
"""Rule → condition on a value that is not plain, and what the rule then does.

Not for values of the batch: rules may warn that an event has none of its own.
"""
