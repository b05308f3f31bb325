"""Names the failure behind an exception of httpx's."""

import socket
import ssl
from typing import Final

import httpx

from tokferry_server.tiktok.answer import Failure

_FAILURES: Final[tuple[tuple[type[Exception], Failure], ...]] = (
    (httpx.ConnectTimeout, Failure.CONNECT),
    (httpx.PoolTimeout, Failure.POOL),
    (httpx.ReadTimeout, Failure.READ_TIMEOUT),
    (httpx.WriteTimeout, Failure.WRITE),
    (httpx.ConnectError, Failure.CONNECT),
    (httpx.WriteError, Failure.WRITE),
    (httpx.ReadError, Failure.RESET),
    (httpx.CloseError, Failure.RESET),
    (httpx.RemoteProtocolError, Failure.RESET),
    (httpx.LocalProtocolError, Failure.LOCAL_PROTOCOL),
    (httpx.UnsupportedProtocol, Failure.LOCAL_PROTOCOL),
    (httpx.ProxyError, Failure.CONNECT),
)


class ForbiddenAddressError(Exception):
    """The host's name leads only to addresses that no connection may be made to."""


def failure_of(error: BaseException) -> Failure:
    """Name the failure behind an exception; OTHER when in doubt."""
    found = next((f for kind, f in _FAILURES if isinstance(error, kind)), Failure.OTHER)
    if found is not Failure.CONNECT:
        return found
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ForbiddenAddressError):
            return Failure.FORBIDDEN_ADDRESS
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Failure.CERTIFICATE
        if isinstance(cause, ssl.SSLError):
            return Failure.TLS
        if isinstance(cause, socket.gaierror):
            return Failure.DNS
        cause = cause.__cause__ or cause.__context__
    return Failure.CONNECT
