"""TLS of the listener: its files are read again when they change."""

import logging
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, cast

import grpc

from tokferry_server.settings import TlsSettings

_TRIES: Final = 3

_log = logging.getLogger(__name__)

_Stamps = tuple[tuple[int, int, int], ...]


class Certificates:
    """Certificate, key, and the authorities of client certificates.

    Each new connection looks at the files. If they do not fit together, as while they
    are being replaced, those read before go on to serve. gRPC itself speaks nothing
    older than TLS 1.2.

    Raises:
        OSError: on making it, if a file cannot be read or the files do not fit; the
            text says which.
    """

    def __init__(self, settings: TlsSettings) -> None:
        self._settings = settings
        self._seen: _Stamps = ()
        try:
            self._configuration = self._read()
        except ssl.SSLError as error:
            raise OSError(_misfit(settings, error)) from None
        except OSError as error:
            raise OSError(f"server.tls: {error.filename}: {error.strerror}") from None

    def credentials(self) -> grpc.ServerCredentials:
        """Give what a secure port takes."""
        return grpc.dynamic_ssl_server_credentials(
            self._configuration,
            cast("Callable[[], grpc.ServerCertificateConfiguration]", self._changed),
            require_client_authentication=self._settings.client_ca is not None,
        )

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Give the new files if there are any; called for each new connection."""
        try:
            stamps = tuple(self._stamps())
            if stamps == self._seen:
                return None
            self._configuration = self._read()
        except ssl.SSLError as error:
            self._seen = stamps
            _log.error(
                "%s; the files read before stay in use", _misfit(self._settings, error)
            )
            return None
        except OSError:
            return None  # a file is missing for a moment
        _log.warning("server.tls: new files are in use")
        return self._configuration

    def _read(self) -> grpc.ServerCertificateConfiguration:
        """Read files that fit together and did not change meanwhile."""
        for _ in range(_TRIES):
            before = tuple(self._stamps())
            _check(self._settings)
            pair = (_bytes(self._settings.key), _bytes(self._settings.certificate))
            client_ca = self._settings.client_ca
            roots = None if client_ca is None else _bytes(client_ca)
            if tuple(self._stamps()) == before:
                self._seen = before
                return grpc.ssl_server_certificate_configuration([pair], roots)
        raise ssl.SSLError("they change all the time")

    def _stamps(self) -> Iterator[tuple[int, int, int]]:
        chosen = self._settings
        for file in (chosen.certificate, chosen.key, chosen.client_ca):
            if file is not None:
                found = file.stat()
                yield found.st_mtime_ns, found.st_size, found.st_ino


def _check(settings: TlsSettings) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Without a password to give, an encrypted key would be asked for at the terminal.
    context.load_cert_chain(settings.certificate, settings.key, password=lambda: b"")
    if settings.client_ca is not None:
        context.load_verify_locations(settings.client_ca)


def _bytes(file: Path) -> bytes:
    return file.read_bytes()


def _misfit(settings: TlsSettings, error: ssl.SSLError) -> str:
    reason = (error.reason or str(error)).lower().replace("_", " ")
    named = f"{settings.certificate}, {settings.key}"
    if settings.client_ca is not None:
        named += f", {settings.client_ca}"
    return f"server.tls: {named} cannot be used together: {reason}"
