"""Finds out who calls: by bearer token, or by the name in a client certificate."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NoReturn

import grpc

from tokferry.v1 import ErrorReason
from tokferry_server.rpc.caller import Caller, caller_of
from tokferry_server.rpc.errors import CallError
from tokferry_server.rpc.tokens import Tokens
from tokferry_server.settings import Principal

_HEADER: Final = "authorization"
_SCHEME: Final = "bearer "
_NAMES: Final = {
    "x509_common_name": "CN=",
    "peer_dns": "DNS:",
    "peer_uri": "URI:",
}
"""What gRPC tells of a certificate that it has verified:
https://github.com/grpc/grpc/blob/master/include/grpc/grpc_security_constants.h"""

Metadata = Iterable[tuple[str, str | bytes]]
AuthContext = Mapping[str, Iterable[bytes]]


class Access:
    """The callers that the settings name.

    Raises:
        SecretError: on making it, if a token cannot be read or used.
    """

    def __init__(self, principals: Sequence[Principal]) -> None:
        self._callers = {one.name: caller_of(one) for one in principals}
        self._tokens = Tokens(principals)
        self._certificates = {
            one.certificate: one.name for one in principals if one.certificate
        }

    def caller(self, metadata: Metadata, peer: AuthContext) -> Caller:
        """Say who calls; a token decides over a certificate.

        Raises:
            CallError: UNAUTHENTICATED.
        """
        given = [value for key, value in metadata if key == _HEADER]
        name = self._by_token(given) if given else self._by_certificate(peer)
        return self._callers[name]

    def _by_token(self, given: list[str | bytes]) -> str:
        header = given[0]
        if len(given) > 1 or not isinstance(header, str):
            _refuse("more than one authorization was given")
        if not header.lower().startswith(_SCHEME):
            _refuse("the authorization is not: Bearer TOKEN")
        name = self._tokens.owner(header[len(_SCHEME) :].strip())
        if name is None:
            _refuse("the token is not valid")
        return name

    def _by_certificate(self, peer: AuthContext) -> str:
        for shown in _names(peer):
            if shown in self._certificates:
                return self._certificates[shown]
        nobody = ", and the certificate is nobody's" if self._certificates else ""
        return _refuse(f"send authorization: Bearer TOKEN; none was given{nobody}")


def _names(peer: AuthContext) -> Iterator[str]:
    for key, kind in _NAMES.items():
        for value in peer.get(key, ()):
            yield kind + value.decode("utf-8", "replace")


def _refuse(text: str) -> NoReturn:
    raise CallError(
        code=grpc.StatusCode.UNAUTHENTICATED,
        reason=ErrorReason.ERROR_REASON_UNAUTHENTICATED,
        message=text,
    )
