"""Rules for numbers: amounts, quantities, currencies."""

import math
import re
from typing import Any

from tokferry_server.mapping.outcome import WarningCode
from tokferry_server.mapping.rules.texts import as_text
from tokferry_server.mapping.scope import Scope
from tokferry_server.tiktok.names import CURRENCIES

_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LARGEST_EXACT = 2**53


def as_number(value: Any) -> int | float | None:
    """Give a finite number, integral ones as ``int``; ``None`` if it is none.

    Takes decimal text as senders write it; no separators, no symbols.
    """
    if isinstance(value, str):
        digits = value.strip()
        if not _DECIMAL.fullmatch(digits):
            return None
        value = digits
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    if not math.isfinite(number):
        return None
    if number.is_integer() and abs(number) < _LARGEST_EXACT:
        return int(number)
    return number


def number(value: Any, scope: Scope) -> int | float | None:
    """A finite decimal number; written as the shortest double, 100 and not 100.0."""
    given = as_number(value)
    if given is None and not is_blank(value):
        scope.warn(WarningCode.NUMBER_INVALID)
    return given


def integer(value: Any, scope: Scope) -> int | None:
    """A whole number: 2.0 is 2, and 0.5 is left out with a warning."""
    given = number(value, scope)
    if isinstance(given, float):
        scope.warn(WarningCode.QUANTITY_NOT_INTEGER)
        return None
    return given


def currency(value: Any, scope: Scope) -> str | None:
    """ISO 4217 in upper case, one that TikTok takes."""
    given = as_text(value)
    if given is None:
        return None
    code = given.upper()
    if code not in CURRENCIES:
        scope.warn(WarningCode.CURRENCY_UNKNOWN)
        return None
    return code


def is_blank(value: Any) -> bool:
    """Whether the value counts as absent: null, or text of nothing but space."""
    return value is None or (isinstance(value, str) and not value.strip())
