"""Writes merged settings as a settings file, without secrets."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from tokferry_server.mapping.custom.model import CustomMapping
from tokferry_server.settings.model import ConnectionSettings, Settings
from tokferry_server.settings.secret import SecretRef

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_CONSENT = ("gdpr_purposes", "ccpa_opt_out")
_OWN_TABLES = ("mapping", "timeouts")


def as_toml(settings: Settings) -> str:
    """Give a file that loads as the same settings, every default written out.

    Secrets stand in it as references only; paths are written in full.
    """
    lines: list[str] = []
    server = _members(settings.server)
    principals = server.pop("principals")
    tls = server.pop("tls", None)
    lines += _table("[server]", server)
    if tls is not None:
        lines += _table("[server.tls]", _members(tls))
    for principal in principals:
        lines += _table("[[server.principals]]", _members(principal))
    if settings.outbox is not None:
        lines += _table("[outbox]", _members(settings.outbox))
    lines += _table("[tiktok]", _members(settings.tiktok))
    for name, connection in settings.connections.items():
        lines += _connection(f"connections.{name}", connection)
    return "\n".join(lines[:-1]) + "\n"


def _connection(key: str, connection: ConnectionSettings) -> Iterator[str]:
    mapping = _members(connection.mapping)
    del mapping["name"]
    customs = mapping.pop("custom_mappings")
    consent = {name: mapping.pop(name) for name in _CONSENT}
    age = mapping.pop("max_event_age_seconds", None)
    if age is not None:
        mapping["max_event_age"] = _duration(age)
    if connection.mapping.event_source != "web":
        del mapping["ip_and_user_agent"]
    delivery = _members(connection)
    for name in _OWN_TABLES:
        del delivery[name]
    if ":" in connection.app:
        del delivery["app"]
    yield from _table(f"[{key}]", {**mapping, **delivery})
    yield from _table(f"[{key}.consent]", consent)
    yield from _table(f"[{key}.timeouts]", _members(connection.timeouts))
    for custom in customs:
        yield from _table(f"[[{key}.custom_mappings]]", _custom(custom))


def _custom(mapping: CustomMapping) -> dict[str, Any]:
    """One custom mapping, its match and fields as inline tables."""
    members = _members(mapping)
    match = {name: value for name, value in _members(mapping.match).items() if value}
    for name in ("attributes", "product", "product_attributes"):
        if name in match:
            match[name] = dict(match[name])
    members["match"] = match
    if not match:
        del members["match"]
    for field in members.pop("fields"):
        given = _members(field)
        name = given.pop("name")
        if "path" in given:
            given = {"from": given.pop("path"), **given}
        members[f"fields.{name}"] = given
    return members


def _duration(seconds: float) -> str:
    """In the largest unit that leaves no fraction."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length:.0f}{unit}"
    return f"{seconds:f}".rstrip("0").rstrip(".") + "s"


def _members(table: Any) -> dict[str, Any]:
    values = {field.name: getattr(table, field.name) for field in fields(table)}
    return {name: value for name, value in values.items() if value is not None}


def _table(head: str, members: Mapping[str, Any]) -> Iterator[str]:
    yield head
    for name, value in members.items():
        yield f"{name} = {_value(value)}"
    yield ""


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, SecretRef):
        place = "env" if value.file is None else "file"
        return f"{{ {place} = {_value(value.env or value.file)} }}"
    if isinstance(value, dict):
        pairs = (f"{_key(name)} = {_value(item)}" for name, item in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, Path):
        return _value(str(value.absolute()))
    if isinstance(value, str):
        # JSON's strings are TOML's, but for one control character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)
