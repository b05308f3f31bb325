"""The settings file: read, checked as a whole, and given as plain dataclasses."""

from importlib import import_module
from typing import TYPE_CHECKING

from tokferry_server.settings.model import (
    EVERY_CONNECTION,
    RIGHTS,
    ConnectionSettings,
    OutboxSettings,
    Principal,
    ServerSettings,
    Settings,
    TikTokSettings,
    Timeouts,
    TlsSettings,
)
from tokferry_server.settings.preview import preview_connection
from tokferry_server.settings.problems import Problem, SettingsError
from tokferry_server.settings.seat import Seat
from tokferry_server.settings.secret import (
    Secret,
    SecretError,
    SecretRef,
    read_secret,
)

if TYPE_CHECKING:
    from tokferry_server.settings.read import (
        connection_from_mapping,
        load_settings,
        settings_from_mapping,
    )

__all__ = [
    "EVERY_CONNECTION",
    "RIGHTS",
    "ConnectionSettings",
    "OutboxSettings",
    "Principal",
    "Problem",
    "Seat",
    "Secret",
    "SecretError",
    "SecretRef",
    "ServerSettings",
    "Settings",
    "SettingsError",
    "TikTokSettings",
    "Timeouts",
    "TlsSettings",
    "connection_from_mapping",
    "load_settings",
    "preview_connection",
    "read_secret",
    "settings_from_mapping",
]

_READING = ("connection_from_mapping", "load_settings", "settings_from_mapping")


def __getattr__(name: str) -> object:
    # Loaded on first use: a command without settings needs no checker of them.
    if name not in _READING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.read"), name)
