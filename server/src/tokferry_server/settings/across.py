"""Checks between tables of the settings file, on what the file holds, right or wrong.

They look at the raw tables, so that they speak up beside other mistakes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from tokferry_server.mapping.custom.check import faults
from tokferry_server.settings.addresses import crowded, is_address, unguarded
from tokferry_server.settings.custom_mapping_table import (
    CustomMappingTable,
    build_mapping,
)
from tokferry_server.settings.errors import Place
from tokferry_server.settings.model import EVERY_CONNECTION, ServerSettings
from tokferry_server.settings.problems import Problem, key_path, nearest

Found = Iterator[tuple[Place, Problem]]


def check_file(data: Mapping[str, Any], file: str | None) -> Found:
    """Yield what is wrong between the tables of a file."""
    if data.get("connections", {}) == {}:
        text = "is missing: a file needs at least one [connections.NAME] with pixel_id"
        yield _found(file, ("connections",), text)
    yield from _check_listen(_table(data, "server"), file)
    yield from _check_metrics(_table(data, "server"), file)
    yield from _check_principals(data, file)
    yield from _check_rates(_table(data, "connections"), file)
    for name, connection in _table(data, "connections").items():
        yield from _check_mappings(connection, file, ("connections", name))


def check_connection(data: Mapping[str, Any]) -> Found:
    """Yield what is wrong with one connection given inline."""
    yield from _check_mappings(data, None, ())


def rate_shared_by(app: str, connections: Iterable[Any]) -> float | None:
    """Give the rate that some connection of the app sets, if one does."""
    for connection in connections:
        if isinstance(connection, dict) and app_key(connection) == app:
            rate = connection.get("rate")
            if isinstance(rate, int | float):
                return float(rate)
    return None


def app_key(connection: Mapping[str, Any]) -> str | None:
    """Name the developer app: as set, or the place of the access token, if any."""
    app, token = connection.get("app"), connection.get("access_token")
    if isinstance(app, str):
        return app
    if isinstance(token, dict):
        for kind in ("env", "file"):
            if isinstance(token.get(kind), str):
                return f"{kind}:{token[kind]}"
    return None


def _check_listen(server: Mapping[str, Any], file: str | None) -> Found:
    listen = server.get("listen")
    if not isinstance(listen, str) or ":" not in listen:
        return
    text = unguarded(
        listen,
        encrypted="tls" in server or server.get("allow_plaintext") is True,
        known=bool(server.get("principals")) or server.get("allow_anonymous") is True,
    )
    if text is not None:
        yield _found(file, ("server", "listen"), text)


def _check_metrics(server: Mapping[str, Any], file: str | None) -> Found:
    defaults = ServerSettings()
    metrics, workers = server.get("metrics"), server.get("workers", defaults.workers)
    listen = server.get("listen", defaults.listen)
    if not (is_address(metrics) and is_address(listen) and isinstance(workers, int)):
        return
    text = crowded(metrics, listen, workers)
    if text is not None:
        yield _found(file, ("server", "metrics"), text)


def _check_principals(data: Mapping[str, Any], file: str | None) -> Found:
    server = _table(data, "server")
    known = tuple(_table(data, "connections"))
    names: set[str] = set()
    for index, principal in enumerate(_list(server, "principals")):
        if not isinstance(principal, dict):
            continue
        place: Place = ("server", "principals", index)
        if principal.get("name") in names:
            yield _found(file, (*place, "name"), "is there twice")
        names.add(str(principal.get("name")))
        if ("tokens" in principal) == ("certificate" in principal):
            text = "must be known by one thing: tokens, or a name in its certificate"
            yield _found(file, place, text)
        if "certificate" in principal and "client_ca" not in _table(server, "tls"):
            text = "takes server.tls.client_ca, which says whose certificates count"
            yield _found(file, (*place, "certificate"), text)
        yield from _check_names(principal, known, file, place)


def _check_names(
    principal: Mapping[str, Any], known: tuple[str, ...], file: str | None, at: Place
) -> Found:
    names = _list(principal, "connections")
    if names == [EVERY_CONNECTION]:
        return
    for index, name in enumerate(names):
        if isinstance(name, str) and name not in known:
            place = (*at, "connections", index)
            problem = Problem(
                file=file,
                key=key_path(place),
                problem='is no connection of this file (all are ["*"], alone)',
                allowed=tuple(key_path((one,)) for one in known),
                nearest=nearest(name, known),
            )
            yield place, problem


def _check_rates(connections: Mapping[str, Any], file: str | None) -> Found:
    for name, connection in connections.items():
        if not isinstance(connection, dict):
            continue
        app, rate = app_key(connection), connection.get("rate")
        shared = rate_shared_by(app, connections.values()) if app else None
        if shared is not None and isinstance(rate, int | float) and rate != shared:
            text = (
                f"differs from the rate {shared:g} of another connection of the same "
                "developer app (same app, or same access token): give both the same"
            )
            yield _found(file, ("connections", name, "rate"), text)


def _check_mappings(connection: Any, file: str | None, root: Place) -> Found:
    """Yield what is wrong with custom mappings whose keys and types are right."""
    given = connection.get("custom_mappings") if isinstance(connection, dict) else None
    if not isinstance(given, list):
        return
    source = connection.get("event_source", "web")
    names: set[str] = set()
    for index, data in enumerate(given):
        place = (*root, "custom_mappings", index)
        try:
            mapping = build_mapping(CustomMappingTable.model_validate(data))
        except ValidationError:
            continue  # the model itself says what is wrong
        if mapping.name.lower() in names:
            text = "is the name of another mapping: give each its own"
            yield _found(file, (*place, "name"), text)
        names.add(mapping.name.lower())
        for fault in faults(mapping, source):
            where = (*place, *fault.key.split(".", 2))
            allowed = fault.allowed
            yield (
                where,
                Problem(
                    file=file,
                    key=key_path(where),
                    problem=fault.text,
                    allowed=allowed,
                    nearest=nearest(fault.given, allowed) if fault.given else None,
                ),
            )


def _found(file: str | None, place: Place, text: str) -> tuple[Place, Problem]:
    return place, Problem(file=file, key=key_path(place), problem=text)


def _table(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _list(data: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = data.get(name)
    return value if isinstance(value, list) else ()
