"""The page of the settings file: every key, its type, its default, its meaning."""

import json
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from proto_comments import comments, enum_values
from pydantic.fields import FieldInfo
from tables import code, table
from value_kinds import kind

from tokferry_server.settings import settings_from_mapping
from tokferry_server.settings.as_toml import as_toml
from tokferry_server.settings.file_table import File
from tokferry_server.settings.table import SecretTable, Table

INTRODUCTION = """\
The settings file is TOML. `tokferry check FILE` says all at once what is wrong with
one; a file that is wrong never starts a server. Relative paths start at the folder of
the file. `tokferry check --schema` prints a JSON schema of it, for editors: they then
complete keys and names, show what each means, and mark most mistakes.

A secret reference is `{ env = "NAME" }` or `{ file = "PATH" }`: a secret never stands
in the file itself, and the file that holds it is read again when it changes.
"""
MEANINGS = {
    "server": "Says where the service listens, and for whom.",
    "server.tls": "Names the files of TLS, in PEM form.",
    "server.principals": (
        "Names the callers, and what each may do. Without any, whoever reaches the "
        "port may call everything."
    ),
    "outbox": "Says where accepted events wait. With this table they outlive a crash.",
    "outbox.path": "Names the file of the outbox.",
    "outbox.key_file": (
        "Names a file of keys, 64 hex digits a line: bodies are stored sealed with the "
        "first, and opened with any. Default: none; they are stored as they are."
    ),
    "outbox.max_rows": "Holds the most events that may wait in the outbox.",
    "outbox.max_bytes": "Holds the most bytes that waiting events may take.",
    "tiktok": "Says where TikTok is.",
    "connections": "Holds the connections, each under its name.",
    "server.listen": (
        "Holds address and port; port 0 takes a free one. One that other machines can "
        "reach takes `[server.tls]` and `[[server.principals]]`."
    ),
    "server.workers": (
        "Counts the processes that share the port and the work; see "
        "[operations](operations.md#more-than-one-worker)."
    ),
    "server.allow_plaintext": (
        "Says whether other machines may call in clear text. Only behind a proxy that "
        "has TLS."
    ),
    "server.allow_anonymous": (
        "Says whether anyone who reaches the port may call everything, if there are no "
        "principals."
    ),
    "server.memory_limit": (
        "Holds the bytes of memory that the service may take; calls are refused from "
        "80 % of it on. Default: the limit of its control group, if that has one."
    ),
    "server.tls.certificate": (
        "Names the file of the certificate, followed by those between it and the root."
    ),
    "server.tls.key": "Names the file of the certificate's private key.",
    "server.tls.client_ca": (
        "Names the file of the authorities whose client certificates count. With it "
        "every caller must show a certificate. Default: none; callers need none."
    ),
    "server.principals[].name": "Names the caller, in logs and in what it is told.",
    "server.principals[].tokens": (
        "Says where the caller's bearer tokens are: each at least 16 characters, two "
        "while one takes the place of the other. Required, unless `certificate` is set."
    ),
    "server.principals[].certificate": (
        "Holds the name in the caller's certificate: `DNS:` or `URI:` and an "
        "alternative name, or `CN=` and the common name."
    ),
    "server.principals[].connections": (
        'Names the connections that the caller may use; `["*"]` are all.'
    ),
    "server.principals[].rights": (
        "Names what the caller may do. `transform`: Transform and DescribeConnection. "
        "`forward`: Forward, ForwardStream and DescribeConnection."
    ),
    "server.principals[].events_per_second": (
        "Holds how many events a second the caller may send; in excess, calls are "
        "refused and streams held back. Default: no limit."
    ),
    "server.principals[].streams": (
        "Holds how many streams the caller may have open at once. Default: no limit."
    ),
    "server.state_dir": "Names the folder for what the server keeps.",
    "server.metrics": (
        "Holds address and port at which Prometheus finds metrics, under `/metrics`, "
        "such as `127.0.0.1:9464`; each further worker takes the next port. Choose "
        "what only Prometheus can reach. "
        "Default: none."
    ),
    "tiktok.base_url": "Says where TikTok is: https, or this machine if allowed.",
    "tiktok.allow_loopback": "Says whether `base_url` may be this machine: a sandbox.",
    "connections.NAME.access_token": (
        "Says where TikTok's access token is. Without one, events can be transformed "
        "and not forwarded."
    ),
}
"""What the protos have no comment for."""
MESSAGES = {
    "connections": "ConnectionSettings",
    "consent": "ConsentSettings",
    "timeouts": "Timeouts",
    "custom_mappings": "CustomMapping",
    "match": "CustomMappingMatch",
    "fields": "FieldMapping",
}
"""Table → the message whose comments describe it."""
_DEFAULT = re.compile(r"Default: (.*?)\.(?: |$)")


def settings_page() -> str:
    """Give the page."""
    lines = ["# Settings", "", INTRODUCTION]
    for place, model in _tables(File, ""):
        rows = list(_rows(place, model))
        if rows:
            lines += [f"## `{_heading(place)}`", ""]
            lines += table(("key", "type", "default", "meaning"), rows)
    return "\n".join([*lines, ""])


def meanings() -> dict[str, str]:
    """Give what every key means, and every table that has been given a meaning."""
    found = {}
    for place, model in _tables(File, ""):
        for name, field in model.model_fields.items():
            key, shown = f"{place}{name}", f"{place}{field.alias or name}"
            if name not in _inner_tables(model):
                found[shown] = " ".join(_meaning(key))
            elif (said := _said(key)) is not None:
                found[shown] = said
    return found


def _tables(model: type[Table], place: str) -> Iterator[tuple[str, type[Table]]]:
    """Give each table, outer ones first.

    A place ends in ``.``, that of one of several tables in ``.NAME.`` or ``[].``.
    """
    yield place, model
    for name, inner in _inner_tables(model).items():
        several = {dict: ".NAME", list: "[]"}
        origin = get_origin(get_type_hints(model)[name])
        yield from _tables(inner, f"{place}{name}{several.get(origin, '')}.")


def _heading(place: str) -> str:
    """Write a place as a file does."""
    path = place.rstrip(".")
    inner = path.removesuffix("[]").replace("[]", "")
    return f"[[{inner}]]" if path.endswith("[]") else f"[{inner}]"


def _inner_tables(model: type[Table]) -> dict[str, type[Table]]:
    """Give the members that are tables of their own."""
    found = {}
    for name, hint in get_type_hints(model).items():
        for one in (hint, *get_args(hint)):
            if isinstance(one, type) and issubclass(one, Table):
                found[name] = one
    return {name: one for name, one in found.items() if one is not SecretTable}


def _rows(place: str, model: type[Table]) -> Iterator[tuple[str, ...]]:
    hints = get_type_hints(model, include_extras=True)
    for name, field in model.model_fields.items():
        key = f"{place}{name}"
        if name not in _inner_tables(model):
            default = "required" if field.is_required() else _default(key, field)
            meaning = " ".join(_meaning(key))
            shown = code(field.alias or name)
            yield shown, kind(model, key, hints[name]), default, meaning


def _meaning(key: str) -> Iterator[str]:
    """Give what the key means, then what each name it takes means."""
    yield _DEFAULT.sub("", _comment(key)).strip()
    enum = key.rpartition(".")[2].title().replace("_", "")
    if f"tokferry.v1.{enum}" in comments():
        for name, text in enum_values(enum).items():
            yield f"{code(name.lower())}: {text}"


def _said(key: str) -> str | None:
    *places, member = key.replace(".NAME", "").replace("[]", "").split(".")
    message = MESSAGES.get(places[-1], "") if places else ""
    return MEANINGS.get(key) or comments().get(f"tokferry.v1.{message}.{member}")


def _comment(key: str) -> str:
    comment = _said(key)
    if comment is None:
        raise SystemExit(f"settings_page.py: say in MEANINGS what {key} means")
    return comment


def _default(key: str, field: FieldInfo) -> str:
    """Give what holds without the key; within a list the model itself knows."""
    found: Any = field.default
    if "[]" not in key:
        found = _defaults()
        for part in key.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    if found is not None and found != {}:
        return code(json.dumps(found))
    said = _DEFAULT.search(_comment(key))
    return said[1] if said else "none"


@cache
def _defaults() -> dict[str, Any]:
    """Give the file that stands for one with an outbox and a pixel id in it."""
    settings = settings_from_mapping(
        {"outbox": {}, "connections": {"NAME": {"pixel_id": "P"}}}
    )
    data = tomllib.loads(as_toml(settings))
    for place, key in (("server", "state_dir"), ("outbox", "path")):
        data[place][key] = Path(data[place][key]).relative_to(Path.cwd()).as_posix()
    return data
