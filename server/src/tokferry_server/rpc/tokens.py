"""Bearer tokens: kept as digests, read again when their files change."""

import hmac
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Final

from tokferry_server.settings import Principal, Secret, SecretError

LEAST_CHARACTERS: Final = 16
LOOK_SECONDS: Final = 1.0
"""How long a token that was taken out of its file can still be used."""

_log = logging.getLogger(__name__)


class Tokens:
    """Says whose a token is.

    Raises:
        SecretError: on making it, if a token cannot be read or used.
    """

    def __init__(
        self,
        principals: Sequence[Principal],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._secrets = [
            (principal.name, Secret(ref))
            for principal in principals
            for ref in principal.tokens
        ]
        self._clock = clock
        self._looked = clock()
        self._digests, self._problems = self._read()
        if self._problems:
            raise SecretError("; ".join(self._problems))

    def owner(self, token: str) -> str | None:
        """Give the name of the principal whose token this is, if it is anyone's."""
        self._look()
        given = sha256(token.encode()).digest()
        found = None
        for digest, name in self._digests:
            # All are compared, so that the time taken tells nothing.
            if hmac.compare_digest(digest, given):
                found = name
        return found

    def _look(self) -> None:
        now = self._clock()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        self._digests, problems = self._read()
        for problem in problems:
            if problem not in self._problems:
                _log.error("a token is of no use: %s", problem)
        self._problems = problems

    def _read(self) -> tuple[list[tuple[bytes, str]], list[str]]:
        """Give each usable token's digest and owner, and what is wrong with others."""
        found: dict[bytes, str] = {}
        shared: set[bytes] = set()
        problems: list[str] = []
        for name, secret in self._secrets:
            try:
                digest = sha256(_long_enough(secret).encode()).digest()
            except SecretError as error:
                problems.append(f"principal {name}: {error}")
                continue
            if found.setdefault(digest, name) != name:
                shared.add(digest)
                problems.append(
                    f"principals {found[digest]} and {name} have the same token"
                )
        return list(_without(found, shared)), problems


def _without(
    found: dict[bytes, str], shared: set[bytes]
) -> Iterator[tuple[bytes, str]]:
    return ((digest, name) for digest, name in found.items() if digest not in shared)


def _long_enough(secret: Secret) -> str:
    value = secret.value()
    if len(value) < LEAST_CHARACTERS:
        raise SecretError(
            f"{secret.ref}: is shorter than {LEAST_CHARACTERS} characters; "
            "make one by: openssl rand -hex 32"
        )
    return value
