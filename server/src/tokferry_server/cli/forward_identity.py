"""How `tokferry forward` knows the server, and is known to it."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from tokferry import Tls

TOKEN_VARIABLE: Final = "TOKFERRY_TOKEN"  # noqa: S105  the name, not the token

UseTls = Annotated[bool, typer.Option("--tls", help="Speak TLS with the target.")]
Authorities = Annotated[
    Path | None,
    typer.Option("--ca", help="TLS: trust these authorities, not the system's (PEM)."),
]
Certificate = Annotated[
    Path | None, typer.Option(help="TLS: show this certificate to the target (PEM).")
]
Key = Annotated[Path | None, typer.Option(help="TLS: the certificate's key (PEM).")]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        help="The file of the target's token for you. Default: the variable "
        f"{TOKEN_VARIABLE}."
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a client is given as ``tls`` and ``token``."""

    tls: "bool | Tls" = False
    token: str | None = field(default=None, repr=False)


NOBODY: Final = Identity()
"""Whom a server knows that knows everybody."""


def identity(
    *,
    tls: bool,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    token_file: Path | None,
) -> Identity:
    """Give what the options say; any file of TLS means TLS.

    Raises:
        ValueError: the token's file cannot be read, or a certificate has no key.
    """
    from tokferry import Tls
    from tokferry_server.settings import SecretRef, read_secret

    if token_file is not None:
        token = read_secret(SecretRef(file=token_file))
    elif os.environ.get(TOKEN_VARIABLE):
        token = read_secret(SecretRef(env=TOKEN_VARIABLE))
    else:
        token = None
    if not (ca or certificate or key):
        return Identity(tls=tls, token=token)
    files = Tls(authorities=ca, certificate=certificate, key=key)
    return Identity(tls=files, token=token)
