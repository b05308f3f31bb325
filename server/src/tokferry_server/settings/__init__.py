"""The settings file: read, checked as a whole, and given as plain dataclasses."""

from tokferry_server.settings.model import (
    ConnectionSettings,
    OutboxSettings,
    Principal,
    ServerSettings,
    Settings,
    TikTokSettings,
    Timeouts,
    TlsSettings,
)
from tokferry_server.settings.problems import Problem, SettingsError
from tokferry_server.settings.read import (
    connection_from_mapping,
    load_settings,
    preview_connection,
    settings_from_mapping,
)
from tokferry_server.settings.seat import Seat
from tokferry_server.settings.secret import (
    Secret,
    SecretError,
    SecretRef,
    read_secret,
)

__all__ = [
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
