"""Names the kinds of values that settings take, for people."""

import inspect
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BeforeValidator
from tables import code

from tokferry_server.settings import values
from tokferry_server.settings.connection_table import TimeoutsTable
from tokferry_server.settings.table import SecretPlace, Table

KINDS = (
    (values.IdentityType, "identity type"),
    (values.Environment, "environment"),
    (values.Region, "region, ISO 3166-1 alpha-2"),
    (values.Duration, "duration such as `36h` or `28d`, as text"),
    (values.Positive, "number above 0"),
    (values.Count, "whole number, 1 or more"),
    (SecretPlace, "secret reference"),
    (bool, "`true` or `false`"),
    (str, "text"),
    (Any, "text or number"),
)


def kind(model: type[Table], key: str, annotation: Any) -> str:
    """Describe what a key of a table takes; ``annotation`` is that of its field."""
    if model is TimeoutsTable:
        return "seconds, above 0"
    return _described(key, annotation)


def _described(key: str, annotation: Any) -> str:
    known = next((words for one, words in KINDS if annotation == one), None)
    if known is not None:
        return known
    names = _names(annotation)
    if names:
        return " ".join(map(code, names))
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        (annotation,) = (one for one in arguments if one is not NoneType)
        return _described(key, annotation)
    if origin is Annotated:
        return _described(key, arguments[0])
    if origin is list:
        inner = _described(key, arguments[0])
        return f"list of {inner}" if inner.startswith("`") else f"list of {inner}s"
    if origin is dict:
        name, value = (_described(key, one) for one in arguments)
        return f"table of {value}, by {'name' if name == 'text' else name}"
    raise SystemExit(f"value_kinds.py: say in KINDS what kind of value {key} takes")


def _names(annotation: Any) -> tuple[str, ...]:
    """Give the names that an annotation takes, if its check is ``one_of``."""
    for check in getattr(annotation, "__metadata__", ()):
        if isinstance(check, BeforeValidator) and inspect.isfunction(check.func):
            names = inspect.getclosurevars(check.func).nonlocals.get("names")
            if isinstance(names, tuple):
                return names
    return ()
