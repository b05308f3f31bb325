"""The JSON schema of the settings file, for editors: made of the models.

A file that it refuses is wrong. One that it takes can be wrong as well: what a schema
cannot say, ``tokferry check`` says.
"""

import copy
import json
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from tokferry_server.settings.as_toml import as_toml
from tokferry_server.settings.file_table import File
from tokferry_server.settings.read import settings_from_mapping
from tokferry_server.settings.schema_generator import SchemaGenerator
from tokferry_server.settings.schema_kinds import Schema, shared_kinds
from tokferry_server.settings.schema_rules import PLACES, RULES

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DEFINED = "#/$defs/"
_ROOT = "File"


def settings_schema() -> Schema:
    """Give the schema (draft 2020-12) of the whole file."""
    root = File.model_json_schema(schema_generator=SchemaGenerator)
    tables = {**root.pop("$defs"), _ROOT: root}
    for table in tables.values():
        table.pop("description", None)  # what the model's docstring tells developers
        table.pop("title", None)
    for place, more in PLACES.items():
        name, _, key = place.partition(".")
        _add(tables[name]["properties"][key], more)
    for name, more in RULES.items():
        _add(tables[name], more)
    tables = {name: _with_shared_kinds(table) for name, table in tables.items()}
    for place, node in _keys(tables, _ROOT, ""):
        _describe(place, node)
    root = tables.pop(_ROOT)
    definitions = {**tables, **copy.deepcopy(shared_kinds())}
    used = _used(root, definitions)
    return {
        "$schema": _DIALECT,
        "title": "Settings of Tokferry",
        **root,
        "$defs": {name: definitions[name] for name in definitions if name in used},
    }


def _add(node: Schema, more: Mapping[str, Any]) -> None:
    """Narrow a schema; what is said twice must hold twice."""
    more = copy.deepcopy(dict(more))
    if node.keys() & more.keys():
        node.setdefault("allOf", []).append(more)
    else:
        node.update(more)


def _with_shared_kinds(node: Any) -> Any:
    """Put references in the place of what many keys have in common."""
    if isinstance(node, list):
        return [_with_shared_kinds(one) for one in node]
    if not isinstance(node, dict):
        return node
    for name, kind in shared_kinds().items():
        if node == kind:
            return {"$ref": _DEFINED + name}
    return {key: _with_shared_kinds(one) for key, one in node.items()}


def _keys(
    tables: Mapping[str, Schema], name: str, place: str
) -> Iterator[tuple[str, Schema]]:
    """Yield every key with its place: ``connections.NAME.custom_mappings[].event``."""
    for key, node in tables[name]["properties"].items():
        yield f"{place}{key}", node
        for inner, more in (
            (node, ""),
            (node.get("items"), "[]"),
            (node.get("additionalProperties"), ".NAME"),
        ):
            table = _defined(inner)
            if table is not None and table in tables:
                yield from _keys(tables, table, f"{place}{key}{more}.")


def _describe(place: str, node: Schema) -> None:
    """Say what a key means, and what holds without it."""
    meaning = _meanings().get(place)
    if meaning is not None:
        node["description"] = meaning
    default: Any = _defaults()
    for part in place.split("."):
        default = default.get(part) if isinstance(default, dict) else None
    if default is not None and not isinstance(default, dict):
        node["default"] = default


def _target(node: Schema, tables: Mapping[str, Schema]) -> Schema:
    table = _defined(node)
    return tables[table] if table is not None else node


def _defined(node: Any) -> str | None:
    """Give the name of the definition that a schema refers to, if it is one."""
    reference = node.get("$ref") if isinstance(node, dict) else None
    return reference.removeprefix(_DEFINED) if isinstance(reference, str) else None


def _used(node: Any, definitions: Mapping[str, Schema]) -> set[str]:
    """Give the names of all definitions that are reached from here."""
    parts = node.values() if isinstance(node, dict) else node
    found: set[str] = set()
    if not isinstance(node, dict | list):
        return found
    name = _defined(node)
    if name is not None:
        found |= {name} | _used(definitions[name], definitions)
    for part in parts:
        found |= _used(part, definitions)
    return found


@cache
def _meanings() -> dict[str, str]:
    """Read what ``make generate`` printed of the protos' comments."""
    file = resources.files("tokferry_server.settings") / "meanings.json"
    found: dict[str, str] = json.loads(file.read_text("utf-8"))
    return found


@cache
def _defaults() -> dict[str, Any]:
    """Give the file that stands for one with an outbox and a pixel id in it."""
    settings = settings_from_mapping(
        {"outbox": {}, "connections": {"NAME": {"pixel_id": "P"}}}
    )
    data = tomllib.loads(as_toml(settings))
    for table, key in (("server", "state_dir"), ("outbox", "path")):
        data[table][key] = Path(data[table][key]).relative_to(Path.cwd()).as_posix()
    del data["connections"]["NAME"]["pixel_id"]
    return data
