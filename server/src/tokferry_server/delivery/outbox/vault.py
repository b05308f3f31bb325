"""Seals the bodies of stored events: AES-GCM, with keys from a file.

https://nvlpubs.nist.gov/nistpubs/Legacy/SP/nistspecialpublication800-38d.pdf
"""

from collections.abc import Sequence
from hashlib import sha256
from hmac import digest
from pathlib import Path
from typing import Final

from tokferry_server.delivery.outbox.interface import OutboxBrokenError, OutboxError

MARK: Final = b"\x01"
"""What a sealed body begins with, and none that is JSON."""
_KEY_BYTES: Final = 32
_NAME_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_HEAD_BYTES: Final = len(MARK) + _NAME_BYTES + _NONCE_BYTES
_TAG_BYTES: Final = 16

OVERHEAD_BYTES: Final = _HEAD_BYTES + _TAG_BYTES


class _Key:
    """One key: a sealed body names it by four bytes of its digest."""

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.name = sha256(key).digest()[:_NAME_BYTES]
        self._cipher = AESGCM(digest(key, b"tokferry outbox: body", "sha256"))
        self._for_nonces = digest(key, b"tokferry outbox: nonce", "sha256")

    def seal(self, body: bytes, about: bytes) -> bytes:
        # Made of what it seals, a nonce comes twice only with the same body: that
        # stays the same in its sealed form, as the outbox knows duplicates by it.
        text = len(about).to_bytes(4) + about + body
        nonce = digest(self._for_nonces, text, "sha256")[:_NONCE_BYTES]
        return MARK + self.name + nonce + self._cipher.encrypt(nonce, body, about)

    def open(self, sealed: bytes, about: bytes) -> bytes:
        nonce = sealed[_HEAD_BYTES - _NONCE_BYTES : _HEAD_BYTES]
        return self._cipher.decrypt(nonce, sealed[_HEAD_BYTES:], about)


class Vault:
    """Seals with the first of its keys, and opens what any of them sealed."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        made = [_Key(key) for key in keys]
        self._first = made[0]
        self._keys = {key.name: key for key in reversed(made)}

    def seal(self, body: bytes, about: bytes) -> bytes:
        """Give the sealed form; ``about`` is what it must be opened with."""
        return self._first.seal(body, about)

    def open(self, stored: bytes, about: bytes) -> bytes:
        """Give the body; one that was stored before there was a key is as it is.

        Raises:
            OutboxBrokenError: its key is missing, or it was changed, or is not that of
                ``about``.
        """
        from cryptography.exceptions import InvalidTag

        if not stored.startswith(MARK):
            return stored
        key = self._keys.get(stored[len(MARK) : len(MARK) + _NAME_BYTES])
        if key is None:
            raise OutboxBrokenError(
                "an event was sealed with a key that is not in outbox.key_file: put "
                "the key back, as a further line"
            )
        try:
            return key.open(stored, about)
        except (InvalidTag, ValueError):  # the latter if too little is left
            raise OutboxBrokenError("a sealed event was changed on the disk") from None


def read_vault(file: Path) -> Vault:
    """Read the keys, one a line in hex digits; the first one seals.

    Raises:
        OutboxError: there is no key, a line is none, or the extra is not installed.
    """
    try:
        lines = [line.strip() for line in file.read_text("ascii").splitlines()]
        keys = [bytes.fromhex(line) for line in lines if line]
    except OSError as error:
        raise OutboxError(f"outbox.key_file: {file}: {error.strerror}") from None
    except ValueError:
        keys = []
    if not keys or any(len(key) != _KEY_BYTES for key in keys):
        raise OutboxError(
            f"outbox.key_file: {file}: write keys of 64 hex digits, one a line; "
            "make one by: openssl rand -hex 32"
        )
    try:
        return Vault(keys)
    except ImportError:
        raise OutboxError(
            "outbox.key_file: pip install 'tokferry-server[encryption]'"
        ) from None
