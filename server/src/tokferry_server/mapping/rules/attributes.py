"""Rules for mParticle's reserved user attributes: names and address of a person.

https://business-api.tiktok.com/portal/docs/parameters/v1.3
"""

import re
from typing import Any

from tokferry_server.mapping.phone import known_region
from tokferry_server.mapping.rules.identity import digest, is_digest
from tokferry_server.mapping.rules.texts import as_text
from tokferry_server.mapping.scope import Scope
from tokferry_server.mapping.tables import read_table

US_STATES: dict[str, str] = read_table("us_states.toml")["codes"]
"""Name in lower case → two letters in lower case."""
US_ZIP_DIGITS = 5
_NOT_WORD = re.compile(r"[\W_]+")


def name(value: Any, _scope: Scope) -> str | None:
    """A first or last name: lower case without punctuation, hashed."""
    return _hashed(value, _joined)


def zip_code(value: Any, scope: Scope) -> str | None:
    """A postal code: lower case, no spaces or dashes, US five digits; hashed."""

    def normal(text: str) -> str:
        code = _joined(text)
        return code[:US_ZIP_DIGITS] if scope.region() == "US" else code

    return _hashed(value, normal)


def city(value: Any, _scope: Scope) -> str | None:
    """A city: lower case, letters and digits only; not hashed."""
    given = as_text(value)
    return None if given is None else _joined(given) or None


def state(value: Any, scope: Scope) -> str | None:
    """A state: lower case, letters and digits only, US two letters; not hashed."""
    given = as_text(value)
    if given is None:
        return None
    if scope.region() == "US":
        given = US_STATES.get(" ".join(_words(given)), given)
    return _joined(given) or None


def country(value: Any, _scope: Scope) -> str | None:
    """A country: two letters in lower case; not hashed."""
    region = known_region(as_text(value))
    return None if region is None else region.lower()


def _hashed(value: Any, normal: Any) -> str | None:
    given = as_text(value)
    if given is None:
        return None
    if is_digest(given):
        return given.lower()
    text = normal(given)
    return digest(text) if text else None


def _joined(text: str) -> str:
    """Lower case, letters and digits only."""
    close = text.lower().replace(" ", "")
    return close if close.isalnum() else "".join(_words(close))


def _words(text: str) -> list[str]:
    lower = text.lower()
    if lower.isalnum():
        return [lower]
    return [word for word in _NOT_WORD.split(lower) if word]
