"""Rules for identities: normalised as TikTok says, then SHA-256 in lower-case hex.

https://business-api.tiktok.com/portal/docs?id=1771101303285761
"""

import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

from tokferry_server.mapping.outcome import WarningCode
from tokferry_server.mapping.phone import to_e164
from tokferry_server.mapping.rules.amounts import is_blank
from tokferry_server.mapping.rules.texts import as_text
from tokferry_server.mapping.scope import Scope
from tokferry_server.tiktok.model import OneOrMany

_DIGEST_LENGTH = 64
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")

Chosen = Sequence[tuple[str, Any]]
"""(identity type, value) in the order of the setting's list, then of the input."""
Normalise = Callable[[str, Scope], str | None]


def digest(text: str) -> str:
    """SHA-256 of the UTF-8 bytes, in lower-case hex."""
    return sha256(text.encode()).hexdigest()


def is_digest(text: str) -> bool:
    """Whether the text is a SHA-256 digest already, in either case."""
    return len(text) == _DIGEST_LENGTH and _DIGEST.match(text) is not None


def emails(chosen: Chosen, scope: Scope) -> OneOrMany | None:
    """Trimmed, lower case, hashed; a value that is a digest already passes through."""
    return _hashed(chosen, scope, _email)


def phones(chosen: Chosen, scope: Scope) -> OneOrMany | None:
    """E.164 with its plus sign, hashed; never with a guessed country code."""
    return _hashed(chosen, scope, _phone)


def external_ids(chosen: Chosen, scope: Scope) -> OneOrMany | None:
    """Trimmed, in the case that the setting says, hashed."""
    return _hashed(chosen, scope, _external_id)


def _hashed(chosen: Chosen, scope: Scope, normalise: Normalise) -> OneOrMany | None:
    """Give the digests without duplicates; the scope's path names where they are of."""
    digests: dict[str, str] = {}
    for identity_type, value in chosen:
        scope.path = path = f"batch.user_identities.{identity_type}"
        made = _hashed_one(value, scope, normalise)
        if made is not None:
            digests.setdefault(made, path)
    if not digests:
        return None
    if len(digests) == 1:
        ((only, scope.path),) = digests.items()
        return only
    scope.path = " + ".join(dict.fromkeys(digests.values()))
    return tuple(digests)


def _hashed_one(value: Any, scope: Scope, normalise: Normalise) -> str | None:
    given = as_text(value)
    if given is None:
        if normalise is _external_id and value is not None and is_blank(value):
            scope.warn(WarningCode.EXTERNAL_ID_EMPTY)
        return None
    if is_digest(given):
        return given.lower()
    normal = normalise(given, scope)
    return None if normal is None else digest(normal)


def _email(given: str, scope: Scope) -> str | None:
    local, _, domain = given.rpartition("@")
    if not (local and domain):
        scope.warn(WarningCode.EMAIL_INVALID)
        return None
    return given.lower()


def _phone(given: str, scope: Scope) -> str | None:
    number = to_e164(given, scope.region)
    if isinstance(number, WarningCode):
        scope.warn(number)
        return None
    return number


def _external_id(given: str, scope: Scope) -> str | None:
    return given.lower() if scope.connection.external_id_case == "lower" else given
