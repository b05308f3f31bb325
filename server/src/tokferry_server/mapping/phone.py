"""Telephone numbers to E.164: the one file that knows the phone number library."""

import re
from collections.abc import Callable
from functools import cache

from tokferry_server.mapping.outcome import WarningCode

_SEPARATORS = str.maketrans(
    "", "", " \t\u00a0\u202f\u2009()-.\u2010\u2011\u2012\u2013/"
)
is_e164 = re.compile(r"\+[1-9]{4}[0-9]{3,11}").fullmatch
"""Whether text surely is a whole number with its country code: no need to parse.

Behind a country code of one to three digits there might stand a trunk zero.
"""


def to_e164(given: str, ask_region: Callable[[], str | None]) -> str | WarningCode:
    """Give the number with its plus sign, or the warning that says why not.

    The region (ISO 3166-1 alpha-2) is asked for only if the number needs one.
    """
    if is_e164(given):
        return given
    number = given.translate(_SEPARATORS)
    if number.startswith("00"):
        number = "+" + number[2:]
    if is_e164(number):
        return number
    region = ask_region()
    if not number.startswith("+") and region is None:
        digits = any(character.isdigit() for character in number)
        return (
            WarningCode.PHONE_WITHOUT_COUNTRY if digits else WarningCode.PHONE_INVALID
        )
    return _parse(number, region)


def known_region(text: str | None) -> str | None:
    """Give the region code in upper case if it is one, else ``None``."""
    code = text.strip().upper() if text else ""
    return code if code in known_regions() else None


@cache
def known_regions() -> frozenset[str]:
    """Give all region codes, in upper case."""
    import phonenumbers

    return frozenset(phonenumbers.SUPPORTED_REGIONS)


def _parse(number: str, region: str | None) -> str | WarningCode:
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return WarningCode.PHONE_INVALID
    if not phonenumbers.is_possible_number(parsed):
        return WarningCode.PHONE_INVALID
    e164: str = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return e164
