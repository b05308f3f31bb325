"""What delivery needs of a transport, whatever carries the requests."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from tokferry_server.tiktok.answer import Answer

TokenSource = Callable[[], str]
"""Gives the access token of now, or raises if there is none."""
_VISIBLE: Final = re.compile(r"[!-~]{1,4096}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long each step of a request may take, and all of it, in seconds."""

    connect: float = 3.0
    write: float = 5.0
    read: float = 10.0
    attempt: float = 15.0


DEFAULT_TIMEOUTS: Final = Timeouts()


class Poster(Protocol):
    """What delivery needs of a transport."""

    async def post(  # noqa: PLR0913  see Transport.post
        self,
        path: str,
        token: str,
        body: bytes,
        *,
        key: str,
        resend: int = 0,
        patience: float | None = None,
    ) -> Answer:
        """Post one request; see Transport.post."""
        ...


def check_token(token: str) -> None:
    """Refuse an access token that no header can carry.

    Raises:
        ValueError: it is empty or holds other than visible ASCII characters.
    """
    if not _VISIBLE.fullmatch(token):
        raise ValueError(
            "access_token: is empty or holds spaces, line breaks or other characters"
            " that are not visible ASCII; check the file or variable it is read from"
        )


def token_of_now(source: TokenSource) -> str | None:
    """Give the token if there is one that a header can carry; None whatever fails."""
    try:
        token = source()
        check_token(token)
    except Exception:  # noqa: BLE001  whatever it is, there is no token now
        return None
    return token
