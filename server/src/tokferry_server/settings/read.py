"""Reads settings from a file or from inline tables, and lists all that is wrong."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tokferry_server.settings.across import Found, check_connection, check_file
from tokferry_server.settings.build import build_connection, build_settings
from tokferry_server.settings.connection_table import ConnectionTable
from tokferry_server.settings.errors import Place, places_and_problems
from tokferry_server.settings.file_table import File
from tokferry_server.settings.model import ConnectionSettings, Settings
from tokferry_server.settings.problems import Problem, SettingsError

_Model = TypeVar("_Model", bound=BaseModel)
_TOML_PLACE = re.compile(r" \(at (.*)\)$")


def load_settings(path: Path | str) -> Settings:
    """Read and check a settings file.

    Relative paths in it start at the folder that holds it.

    Raises:
        SettingsError: The file cannot be read, or is wrong; lists every problem.
    """
    path = Path(path)
    name = str(path)
    try:
        data = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        problem = Problem(
            file=name,
            key="",
            problem=f"cannot be read: {error.strerror or 'unknown error'}",
        )
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problem = Problem(file=name, key=f"line {line}", problem="is not UTF-8 text")
    except tomllib.TOMLDecodeError as error:
        problem = _syntax(name, str(error))
    except RecursionError:
        problem = Problem(file=name, key="", problem="is nested too deeply")
    else:
        return settings_from_mapping(data, file=name, folder=path.parent)
    raise SettingsError([problem]) from None


def settings_from_mapping(
    data: Mapping[str, Any], *, file: str | None = None, folder: Path = Path()
) -> Settings:
    """Check a whole file's tables; see ``load_settings``."""
    table = _checked(File, data, check_file(data, file), file)
    return build_settings(table, folder)


def connection_from_mapping(
    data: Mapping[str, Any], name: str = "inline"
) -> ConnectionSettings:
    """Check the settings of one connection given inline.

    Keys and values are those of ``[connections.NAME]``; the problems' keys start there.

    Raises:
        SettingsError: The settings are wrong; lists every problem.
    """
    table = _checked(ConnectionTable, data, check_connection(data), None)
    own = table.model_dump(exclude_unset=True, exclude_none=True)
    return build_connection(name, table, Path(), [own])


def _checked(
    model: type[_Model], data: Mapping[str, Any], across: Found, file: str | None
) -> _Model:
    found: list[tuple[Place, Problem]] = []
    table: _Model | None = None
    try:
        table = model.model_validate(dict(data))
    except ValidationError as error:
        found.extend(places_and_problems(error, model, file))
    places = {place for place, _ in found}
    found.extend(pair for pair in across if pair[0] not in places)
    if found or table is None:
        raise SettingsError(problem for _, problem in found) from None
    return table


def _syntax(file: str, message: str) -> Problem:
    place = _TOML_PLACE.search(message)
    text = _TOML_PLACE.sub("", message)
    return Problem(
        file=file,
        key=place[1].replace(", column", " column") if place else "",
        problem=f"is not TOML: {text[:1].lower()}{text[1:]}",
    )
