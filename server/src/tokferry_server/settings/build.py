"""Makes the plain dataclasses of settings out of checked tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokferry_server.mapping.connection import Connection
from tokferry_server.settings.across import app_key, rate_shared_by
from tokferry_server.settings.connection_table import ConnectionTable
from tokferry_server.settings.custom_mapping_table import (
    CustomMappingTable,
    build_mapping,
)
from tokferry_server.settings.file_table import File
from tokferry_server.settings.model import (
    DEFAULT_RATE,
    ConnectionSettings,
    OutboxSettings,
    Principal,
    ServerSettings,
    Settings,
    TikTokSettings,
    Timeouts,
    TlsSettings,
)
from tokferry_server.settings.secret import SecretRef
from tokferry_server.settings.table import Table

_DELIVERY = ("access_token", "app", "rate", "concurrency", "timeouts")
_OFFLINE_DAYS = 28
"""TikTok takes no offline event older than this:
https://business-api.tiktok.com/portal/docs?id=1771101303285761"""


def build_settings(file: File, folder: Path) -> Settings:
    """Give the whole file; relative paths start at ``folder``."""
    every = [_given(table) for table in file.connections.values()]
    outbox = None if file.outbox is None else _outbox(file, folder)
    return Settings(
        server=_server(file, folder),
        outbox=outbox,
        tiktok=TikTokSettings(**_given(file.tiktok)),
        connections={
            name: build_connection(name, table, folder, every)
            for name, table in file.connections.items()
        },
    )


def build_connection(
    name: str, table: ConnectionTable, folder: Path, every: list[dict[str, Any]]
) -> ConnectionSettings:
    """Give one connection; ``every`` are the tables it may share an app with."""
    given = _given(table)
    delivery = {key: given.pop(key) for key in _DELIVERY if key in given}
    key = app_key(delivery)
    shared = rate_shared_by(key, every) if key else delivery.get("rate")
    token = delivery.pop("access_token", None)
    delivery.update(
        app=key or f"connection:{name}",
        rate=DEFAULT_RATE if shared is None else float(shared),
        timeouts=Timeouts(**delivery.get("timeouts", {})),
    )
    return ConnectionSettings(
        mapping=_mapping(name, given, table.custom_mappings),
        access_token=token and _secret_ref(token, folder),
        **delivery,
    )


def _mapping(
    name: str, given: dict[str, Any], mappings: Sequence[CustomMappingTable]
) -> Connection:
    given.pop("custom_mappings", None)
    members = {**given, **given.pop("consent", {})}
    members.pop("consent", None)
    age = members.pop("max_event_age", None)
    if age is None and members.get("event_source") == "offline":
        age = _OFFLINE_DAYS * 86400.0
    return Connection(
        name=name,
        max_event_age_seconds=age,
        custom_mappings=tuple(build_mapping(mapping) for mapping in mappings),
        **_frozen(members),
    )


def _server(file: File, folder: Path) -> ServerSettings:
    given = _given(file.server)
    given["state_dir"] = folder / given.get("state_dir", "state")
    if "tls" in given:
        given["tls"] = TlsSettings(**_paths(given["tls"], folder))
    given["principals"] = tuple(
        _principal(principal, folder) for principal in given.get("principals", ())
    )
    return ServerSettings(**given)


def _principal(given: dict[str, Any], folder: Path) -> Principal:
    tokens = tuple(_secret_ref(token, folder) for token in given.pop("tokens", ()))
    return Principal(tokens=tokens, **_frozen(given))


def _outbox(file: File, folder: Path) -> OutboxSettings:
    given = _given(file.outbox) if file.outbox is not None else {}
    state = folder / (file.server.state_dir or "state")
    given["path"] = folder / given["path"] if "path" in given else state / "outbox.db"
    if "key_file" in given:
        given["key_file"] = folder / given["key_file"]
    return OutboxSettings(**given)


def _given(table: Table) -> dict[str, Any]:
    """Only what stands in the settings: the rest is the dataclass's default."""
    return table.model_dump(exclude_unset=True, exclude_none=True)


def _frozen(given: dict[str, Any]) -> dict[str, Any]:
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in given.items()
    }


def _paths(given: dict[str, str], folder: Path) -> dict[str, Path]:
    return {name: folder / text for name, text in given.items()}


def _secret_ref(given: dict[str, str], folder: Path) -> SecretRef:
    if "file" in given:
        return SecretRef(file=folder / given["file"])
    return SecretRef(env=given["env"])
