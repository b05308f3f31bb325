"""The connections that calls name: their settings, transformers, tokens."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace

import grpc

from tokferry.v1 import ErrorReason
from tokferry_server.delivery.forward import Forwarder
from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.transform import Transformer
from tokferry_server.rpc.errors import CallError, Violation, invalid
from tokferry_server.settings import ConnectionSettings, Secret, SecretError

MAX_TEST_CODE = 64
_MORE_TRANSFORMERS = 64
"""Kept besides one for each connection: for explaining, and for test event codes."""


class Connections:
    """What calls need of each configured connection, by name."""

    def __init__(
        self,
        configured: Mapping[str, ConnectionSettings],
        forwarders: Mapping[str, Forwarder],
    ) -> None:
        self._configured = dict(configured)
        self._forwarders = dict(forwarders)
        self._transformers: OrderedDict[tuple[str, str | None, bool], Transformer] = (
            OrderedDict()
        )
        self._secrets = {
            name: Secret(settings.access_token)
            for name, settings in self._configured.items()
            if settings.access_token is not None
        }

    def get(self, name: str) -> ConnectionSettings:
        """Give the settings of a connection.

        Raises:
            CallError: INVALID_ARGUMENT without a name, FAILED_PRECONDITION if there is
                no such connection.
        """
        if not name:
            raise invalid(
                ErrorReason.ERROR_REASON_MISSING_CONNECTION,
                [Violation("connection", "name one of the configured connections")],
            )
        settings = self._configured.get(name)
        if settings is None:
            raise CallError(
                code=grpc.StatusCode.FAILED_PRECONDITION,
                reason=ErrorReason.ERROR_REASON_UNKNOWN_CONNECTION,
                message="no such connection; the settings file lists those there are",
            )
        return settings

    def transformer(
        self, name: str, *, test_event_code: str | None, explain: bool = False
    ) -> Transformer:
        """Give the connection's transformer, with the call's own test code if any."""
        key = (name, test_event_code, explain)
        known = self._transformers.get(key)
        if known is not None:
            self._transformers.move_to_end(key)
            return known
        connection = with_test_code(self.get(name).mapping, test_event_code)
        transformer = Transformer(connection, explain=explain)
        self._transformers[key] = transformer
        if len(self._transformers) > len(self._configured) + _MORE_TRANSFORMERS:
            self._transformers.popitem(last=False)
        return transformer

    def forwarder(self, name: str) -> Forwarder:
        """Give what delivers the connection's events."""
        return self._forwarders[name]

    def access_token(self, name: str) -> str:
        """Give the connection's current token.

        Raises:
            CallError: FAILED_PRECONDITION if none is set or it cannot be read.
        """
        secret = self._secrets.get(name)
        try:
            if secret is not None:
                return secret.value()
            problem = 'set access_token = { env = "…" } or { file = "…" }'
        except SecretError as error:
            problem = str(error)
        raise CallError(
            code=grpc.StatusCode.FAILED_PRECONDITION,
            reason=ErrorReason.ERROR_REASON_NO_ACCESS_TOKEN,
            message=f"the connection has no access token: {problem}",
        )

    def has_access_token(self, name: str) -> bool:
        """Whether a token is configured and can be read."""
        try:
            self.access_token(name)
        except CallError:
            return False
        return True


def with_test_code(connection: Connection, test_event_code: str | None) -> Connection:
    """Give the connection with the call's own test event code.

    Raises:
        CallError: as ``check_test_code``.
    """
    if not test_event_code:
        return connection
    check_test_code(test_event_code)
    return replace(connection, test_event_code=test_event_code)


def check_test_code(test_event_code: str | None) -> None:
    """Check a call's own test event code, if it has one.

    Raises:
        CallError: INVALID_ARGUMENT if it is longer than any, or no printable ASCII:
            what is made for it is kept for the next call.
    """
    code = test_event_code or ""
    if len(code) > MAX_TEST_CODE or not (code.isascii() and code.isprintable()):
        text = f"must be at most {MAX_TEST_CODE} printable ASCII characters"
        raise invalid(
            ErrorReason.ERROR_REASON_INVALID_ARGUMENT,
            [Violation("test_event_code", text)],
        )
