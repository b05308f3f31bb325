"""Masks what is personal in a TikTok event and keeps its structure."""

import re
from typing import Any, Final

import msgspec

MASKED: Final = "(masked)"

_PERSONAL: Final = frozenset({"user", "context", "page", "lead", "ad"})
"""Members of which everything is masked, in either wire format."""

_HARMLESS: Final = frozenset({"locale", "att_status", "lead_event_source"})
_TYPED: Final = frozenset({"search_string", "query"})
_TELLING: Final = re.compile(
    r"@|://|[0-9a-fA-F]{64}|(?:\d{1,3}\.){3}\d{1,3}"
    r"|(?:[0-9a-fA-F]{0,4}:){3}|[0-9a-fA-F]::|::[0-9a-fA-F]"
)
"""Anywhere else: e-mail addresses, URLs, digests, and IP addresses of both kinds."""


def masked(body: bytes) -> bytes:
    """Give an encoded event with identities, addresses and URLs masked."""
    try:
        event = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return msgspec.json.encode(MASKED)
    return msgspec.json.encode(_walk(event, personal=False))


def _walk(value: Any, *, personal: bool) -> Any:
    if isinstance(value, dict):
        return {
            _name(name): _walk(member, personal=_is_personal(name, within=personal))
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [_walk(member, personal=personal) for member in value]
    if value is None or isinstance(value, bool):
        return value
    hidden = personal or (isinstance(value, str) and _TELLING.search(value))
    return MASKED if hidden else value


def _is_personal(name: str, *, within: bool) -> bool:
    if name in _PERSONAL or name in _TYPED:
        return True
    return within and name not in _HARMLESS


def _name(name: str) -> str:
    return MASKED if _TELLING.search(name) else name
