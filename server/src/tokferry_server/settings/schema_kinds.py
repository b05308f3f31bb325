"""What a JSON schema can say of the kinds of values that settings have.

Each is found by the function that checks it, so that a type used in a new place is
described there as well. What a schema cannot say is left to ``tokferry check``.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from string import ascii_uppercase
from typing import Any, get_args

from tokferry_server.mapping.phone import known_region
from tokferry_server.mparticle.identities import IDENTITY_TYPES, SPELLINGS
from tokferry_server.settings import values
from tokferry_server.settings.addresses import check_base_url, check_listen
from tokferry_server.settings.custom_mapping_table import FieldTable, MatchTable

Schema = dict[str, Any]

_VISIBLE = r"[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*"
SCALAR: Schema = {
    "type": ["string", "number", "boolean"],
    "pattern": rf"^\s*{_VISIBLE}\s*$",
}
LITERAL: Schema = {"type": ["string", "number"], "pattern": r"\S"}
_AMOUNT = r"(?:0*[1-9][0-9]*(?:\.[0-9]+)?|0+\.0*[1-9][0-9]*)"
_HOST = r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])"


def refined(check: Callable[..., Any], schema: Schema) -> Schema:
    """Narrow the schema of a value by what its check demands, as far as it is known."""
    names = _names(check)
    if names:
        return {"type": "string", "enum": list(names)}
    if check is values.without_duplicates:
        return {**schema, "uniqueItems": True}
    if check is values.not_empty:
        return {**schema, "minItems": 1}
    known = _kinds().get(check)
    return dict(known) if known else schema


@cache
def shared_kinds() -> Mapping[str, Schema]:
    """Give the kinds that are long to write, by the name under which all use them."""
    regions = [
        first + second
        for first in ascii_uppercase
        for second in ascii_uppercase
        if known_region(first + second)
    ]
    return {
        "identity_type": _any_case(IDENTITY_TYPES, SPELLINGS),
        "environment": _any_case(values.ENVIRONMENTS, values.ENVIRONMENTS),
        "region": _any_case(regions, regions),
        "duration": _text(rf"{_AMOUNT}[smhd]"),
    }


@cache
def _kinds() -> Mapping[Callable[..., Any], Schema]:
    shared = shared_kinds()
    texts = get_args(MatchTable.model_fields["attributes"].annotation)[1]
    return {
        _check(values.Text): _text(_VISIBLE),
        _check(values.Visible): _text(r"[\x21-\x7e]+"),
        _check(values.Name): {"type": "string", "pattern": r"^[A-Za-z0-9_-]{1,64}$"},
        _check(values.Variable): _text(r"[A-Za-z_][A-Za-z0-9_]*"),
        _check(values.IdentityType): shared["identity_type"],
        _check(values.Environment): shared["environment"],
        _check(values.Region): shared["region"],
        _check(values.Duration): shared["duration"],
        _check(texts): {"anyOf": [SCALAR, {"type": "array", "items": SCALAR}]},
        FieldTable.model_fields["value"].metadata[-1].func: LITERAL,
        check_listen: _text(rf"{_HOST}:[0-9]{{1,5}}"),
        check_base_url: _text(r"[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#@]+(?:/[^\s?#]*)?"),
    }


def _check(annotation: Any) -> Callable[..., Any]:
    """Give the last check of an annotated type."""
    found: Callable[..., Any] = get_args(annotation)[-1].func
    return found


def _names(check: Callable[..., Any]) -> tuple[str, ...]:
    """Give the names that a check takes, if it is one of ``one_of``."""
    if not inspect.isfunction(check):
        return ()
    names = inspect.getclosurevars(check).nonlocals.get("names")
    return names if isinstance(names, tuple) else ()


def _text(pattern: str) -> Schema:
    """Text that looks like this, once spaces around it are gone."""
    return {"type": "string", "pattern": rf"^\s*{pattern}\s*$"}


def _any_case(names: Iterable[str], spellings: Iterable[str]) -> Schema:
    """Names to choose from, and every spelling that is taken for one of them."""
    pattern = "|".join(_branches(spellings))
    return {"type": "string", "anyOf": [{"enum": [*names]}, _text(f"(?:{pattern})")]}


def _branches(spellings: Iterable[str]) -> Iterator[str]:
    for spelling in spellings:
        yield "".join(
            f"[{letter.upper()}{letter.lower()}]" if letter.isalpha() else letter
            for letter in re.escape(spelling)
        )
