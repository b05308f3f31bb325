"""Which values need no rule, since it would give them as they are and say nothing.

Most values that senders write are plain. Compiled mappings ask this first, as one
expression in line, and call the rule only for the rest. A condition may be too narrow,
never too wide: tests hold each against its rule.
"""

from collections.abc import Mapping
from typing import Final

_TEXT = "type({0}) is str and {0} and {0}.strip() is {0} and {0}[0] != '0'"
_EXACT = "-9007199254740992 < {0} < 9007199254740992"
_WHOLE = f"type({{0}}) is int and {_EXACT}"
_FRACTION = "type({0}) is float and {0} % 1.0 > 0.0"
_ADDRESS = (
    "type({0}) is str and {0}.startswith('https://')"
    " and {0}.strip() is {0} and '@' not in {0} and '%40' not in {0}"
)

PLAIN: Final[Mapping[str, str]] = {
    "text": _TEXT,  # a leading 0 might be that of an all-zero UUID
    "number": f"({_FRACTION} or {_WHOLE})",
    "integer": _WHOLE,
    "currency": "type({0}) is str and {0} in CURRENCIES",
    "page_url": _ADDRESS,
    "referrer": _ADDRESS,
    "click_id": (
        "type({0}) is str and {0}.startswith('E.C.P')"
        " and {0}.strip() is {0} and len({0}) <= 1000"
    ),
    "event_id": (
        "type({0}) is str and {0}.strip('0-') and {0}.isascii() and {0}.isprintable()"
        " and {0}.strip() is {0} and len({0}) <= 128 and '@' not in {0}"
    ),
    "flag": "{0} is True",
}
"""Rule → condition on the value ``{0}``."""

_WHOLE_FLOAT = (f"type({{0}}) is float and {{0}} % 1.0 == 0.0 and {_EXACT}", "int({0})")

EASY: Final[Mapping[str, tuple[str, str]]] = {
    "number": _WHOLE_FLOAT,
    "integer": _WHOLE_FLOAT,
}
"""Rule → condition on a value that is not plain, and what the rule gives for it."""
