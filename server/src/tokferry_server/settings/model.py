"""Checked settings, as the rest of the program gets them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tokferry_server.mapping.connection import Connection
from tokferry_server.settings.secret import SecretRef

EVERY_CONNECTION = "*"
RIGHTS = ("transform", "forward")
DEFAULT_RATE = 500.0
"""Requests a second and app: half of what TikTok allows (1,000)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Time limits of one request to TikTok, in seconds."""

    connect: float = 3.0
    write: float = 5.0
    read: float = 10.0
    attempt: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """One connection: what is sent, and how.

    ``app`` names the TikTok developer app whose rate limit (``rate``, requests a
    second) is shared; without the setting it stands for the access token, or for the
    connection itself.
    """

    mapping: Connection
    app: str
    access_token: SecretRef | None = None
    rate: float = DEFAULT_RATE
    concurrency: int = 16
    timeouts: Timeouts = Timeouts()


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """Files in PEM form; with ``client_ca`` callers must show a certificate."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A caller: known by bearer tokens, or by a name in its certificate.

    ``connections`` is ``("*",)`` for all. ``events_per_second`` and ``streams`` are the
    most that the caller may ask for; None means no limit of its own.
    """

    name: str
    connections: tuple[str, ...]
    rights: tuple[str, ...]
    tokens: tuple[SecretRef, ...] = ()
    certificate: str | None = None
    events_per_second: float | None = None
    streams: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where and for whom the service listens; at ``metrics`` to Prometheus.

    ``memory_limit``, in bytes, is that of the service's process; None means what its
    control group allows, if it has a limit.
    """

    listen: str = "127.0.0.1:50051"
    workers: int = 1
    state_dir: Path = Path("state")
    metrics: str | None = None
    tls: TlsSettings | None = None
    principals: tuple[Principal, ...] = ()
    allow_plaintext: bool = False
    allow_anonymous: bool = False
    memory_limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxSettings:
    """The durable outbox; ``max_bytes`` counts the bodies of waiting events."""

    path: Path
    max_rows: int = 5_000_000
    max_bytes: int = 4 * 2**30
    key_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TikTokSettings:
    """Where TikTok is; loopback only with ``allow_loopback``, for the sandbox."""

    base_url: str = "https://business-api.tiktok.com"
    allow_loopback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A whole settings file."""

    connections: Mapping[str, ConnectionSettings]
    server: ServerSettings = field(default_factory=ServerSettings)
    tiktok: TikTokSettings = TikTokSettings()
    outbox: OutboxSettings | None = None
