"""Names the kinds of values that settings take, for people."""

from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from tables import code

from tokferry_server.mapping.connection import Connection
from tokferry_server.settings import values
from tokferry_server.settings.table import SecretPlace

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
)


def kind(key: str, annotation: Any) -> str:
    """Describe what a key takes; ``annotation`` is that of its model's field."""
    if ".timeouts." in key:
        return "seconds, above 0"
    names = choices(key)
    if names:
        listed = " ".join(map(code, names))
        return f"list of {listed}" if _is_list(annotation) else listed
    return _described(key, annotation)


def choices(key: str) -> tuple[str, ...]:
    """Give the names that a key of a connection takes; none if it is not of that kind.

    The last part of the key is the name of the member of ``Connection``.
    """
    member = key.rpartition(".")[2]
    takes_names = key.startswith("connections.") and "Literal[" in str(
        get_type_hints(Connection).get(member)
    )
    return values.names_of(member) if takes_names else ()


def _described(key: str, annotation: Any) -> str:
    for known, words in KINDS:
        if annotation == known:
            return words
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        (annotation,) = (one for one in arguments if one is not NoneType)
        return _described(key, annotation)
    if origin is Annotated:
        return _described(key, arguments[0])
    if origin is list:
        return f"list of {_described(key, arguments[0])}s"
    raise SystemExit(f"value_kinds.py: say in KINDS what kind of value {key} takes")


def _is_list(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        return _is_list(get_args(annotation)[0])
    return get_origin(annotation) is list
