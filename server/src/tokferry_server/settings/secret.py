"""References to secrets, and reading them; a value never shows in text or an error."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")
_MAX_BYTES = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRef:
    """Where a secret stands: an environment variable, or a file."""

    env: str | None = None
    file: Path | None = None

    def __str__(self) -> str:
        """Where it stands, for people."""
        return f"file {self.file}" if self.env is None else f"env {self.env}"


class SecretError(ValueError):
    """A secret cannot be read; says where it stands and why, never the value."""


class Secret:
    """A secret that is read when it is needed; its file again whenever it changes."""

    __slots__ = ("_environ", "_stamp", "_value", "ref")

    def __init__(
        self, ref: SecretRef, *, environ: Mapping[str, str] = os.environ
    ) -> None:
        self.ref = ref
        self._environ = environ
        self._stamp: tuple[int, int, int] | None = None
        self._value = ""

    def __repr__(self) -> str:
        """Where it stands, not what it is."""
        return f"Secret({self.ref})"

    def value(self) -> str:
        """Give the secret, trimmed: 1 or more visible ASCII characters.

        Raises:
            SecretError: It is unset, unreadable, blank, or not visible ASCII.
        """
        if self.ref.file is None:
            return _checked(self._environ.get(self.ref.env or ""), self.ref)
        try:
            found = self.ref.file.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp != self._stamp:
                with self.ref.file.open("rb") as file:
                    data = file.read(_MAX_BYTES + 1)
                self._value = _checked(_decoded(data), self.ref)
                self._stamp = stamp
        except OSError as error:
            problem = error.strerror or "cannot be read"
            raise SecretError(f"{self.ref}: {problem}") from None
        return self._value


def read_secret(ref: SecretRef, *, environ: Mapping[str, str] = os.environ) -> str:
    """Give the secret that stands there now; errors as ``Secret.value``."""
    return Secret(ref, environ=environ).value()


def _decoded(data: bytes) -> str:
    """Any byte that is not ASCII becomes a letter that the check refuses."""
    return data.decode("latin-1")


def _checked(text: str | None, ref: SecretRef) -> str:
    if text is None:
        raise SecretError(f"{ref}: is not set")
    trimmed = text.strip()
    if not trimmed:
        raise SecretError(f"{ref}: is blank")
    if len(trimmed) > _MAX_BYTES:
        raise SecretError(f"{ref}: is longer than {_MAX_BYTES} bytes")
    if not _VISIBLE_ASCII.fullmatch(trimmed):
        raise SecretError(f"{ref}: holds a character that is not visible ASCII")
    return trimmed
