"""What is allowed in settings and still worth a word: the warnings of ``check``."""

import os
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from tokferry_server.settings.addresses import is_loopback
from tokferry_server.settings.model import ConnectionSettings, Settings
from tokferry_server.settings.problems import Problem, key_path
from tokferry_server.settings.secret import SecretError, read_secret

_ALLOWED_RATE = 1000
"""Requests a second for one developer app:
https://business-api.tiktok.com/portal/docs/rate-limits/v1.3"""

_RETIRING = (
    "purchases go out as PlaceAnOrder, which TikTok removes in 2027; to send "
    'Purchase instead, write: event_names = "current"'
)


def advice(
    settings: Settings,
    *,
    file: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> list[Problem]:
    """List the warnings: keys and words as problems have them."""
    found = [*_about_tiktok(settings)]
    for name, connection in settings.connections.items():
        for key, text in (
            *_about_token(connection, environ),
            *_about_events(connection),
        ):
            found.append((key_path(("connections", name, key)), text))
    return [Problem(file=file, key=key, problem=text) for key, text in found]


def _about_tiktok(settings: Settings) -> Iterator[tuple[str, str]]:
    if is_loopback(urlsplit(settings.tiktok.base_url).hostname or ""):
        yield "tiktok.base_url", "is on this machine: nothing reaches TikTok"


def _about_token(
    connection: ConnectionSettings, environ: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    if connection.access_token is None:
        yield "access_token", "is missing: events can be transformed, not forwarded"
        return
    try:
        read_secret(connection.access_token, environ=environ)
    except SecretError as error:
        yield "access_token", f"{error}: events can be transformed, not forwarded"


def _about_events(connection: ConnectionSettings) -> Iterator[tuple[str, str]]:
    mapping = connection.mapping
    if mapping.event_source == "web" and mapping.event_names == "mparticle":
        yield "event_names", _RETIRING
    if mapping.test_event_code is not None:
        yield (
            "test_event_code",
            "every event goes to TikTok's Test Events page, whatever its environment",
        )
    if connection.rate > _ALLOWED_RATE:
        text = f"is above the {_ALLOWED_RATE:,} requests a second that TikTok allows"
        yield "rate", text
