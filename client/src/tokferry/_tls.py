"""The files of a client's TLS."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import grpc


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """TLS with certificates of one's own, in PEM files, read when a client is made.

    Args:
        authorities: those whose server certificates are trusted; None means the
            system's.
        certificate: the caller's own, followed by those between it and the root, for
            servers that ask for one.
        key: the private key of `certificate`.

    Raises:
        ValueError: there is a certificate without a key, or a key without one.
    """

    authorities: str | os.PathLike[str] | None = None
    certificate: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        """Check that a certificate comes with its key."""
        if (self.certificate is None) != (self.key is None):
            raise ValueError("tls: certificate and key belong together; give both")

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files.

        Raises:
            OSError: one cannot be read.
        """
        return grpc.ssl_channel_credentials(
            root_certificates=_read(self.authorities),
            private_key=_read(self.key),
            certificate_chain=_read(self.certificate),
        )


def _read(file: str | os.PathLike[str] | None) -> bytes | None:
    return None if file is None else Path(file).read_bytes()
