"""The event id: what TikTok counts an event once by.

https://ads.tiktok.com/help/article/event-deduplication
"""

import re
from hashlib import sha256
from typing import Any

from tokferry_server.mapping.outcome import WarningCode
from tokferry_server.mapping.rules.absent import ABSENT
from tokferry_server.mapping.rules.texts import as_text
from tokferry_server.mapping.scope import Scope

_PRINTABLE = re.compile(r"[\x20-\x7e]{1,128}")
_LOOKS_LIKE_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def event_id(value: Any, scope: Scope) -> Any:
    """Text of 1-128 printable ASCII characters; integers exact, fractions refused.

    Anything else, an e-mail address among it, is replaced by its SHA-256 digest, which
    is as stable as the value was.
    """
    if isinstance(value, float):
        scope.warn(WarningCode.EVENT_ID_LOSSY)
        return ABSENT
    given = as_text(value)
    if given in (None, "0"):  # senders write 0 for "no id": it would merge them all
        return ABSENT
    if not _PRINTABLE.fullmatch(given) or _LOOKS_LIKE_EMAIL.search(given):
        scope.warn(WarningCode.EVENT_ID_REPLACED)
        return _digest(given)
    return given


def numbered(event_id: str, count: int) -> str:
    """Give the id of the ``count``-th event of one name made of one source event.

    The first keeps the plain id; later ones get ``.2``, ``.3`` and so on, in place of
    which a digest stands where the id would grow too long.
    """
    if count == 1:
        return event_id
    longer = f"{event_id}.{count}"
    return longer if _PRINTABLE.fullmatch(longer) else _digest(longer)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
