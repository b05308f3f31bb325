"""The kinds of values that settings have, each with its check, as annotated types."""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.phone import known_region
from tokferry_server.mparticle.identities import IDENTITY_TYPES, SPELLINGS

ENVIRONMENTS = ("production", "development", "unknown")
"""https://docs.mparticle.com/developers/apis/json-reference/ (``environment``)."""

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")
_MISTAKEN_REGIONS = {"UK": "GB", "EN": "GB"}


def refuse(
    problem: str, *, given: str | None = None, allowed: Sequence[str] = ()
) -> PydanticCustomError:
    """Make the error for a value; ``given`` only serves to find the nearest name."""
    return PydanticCustomError(
        "refused",
        "refused",
        {"problem": problem, "given": given, "allowed": tuple(allowed)},
    )


def _trimmed(text: str) -> str:
    trimmed = text.strip()
    if not trimmed:
        raise refuse("must not be blank")
    if not trimmed.isprintable():
        raise refuse("must not hold control characters")
    return trimmed


def _matching(pattern: re.Pattern[str], problem: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise refuse(problem)
        return text

    return check


Text = Annotated[str, AfterValidator(_trimmed)]
Visible = Annotated[
    Text,
    AfterValidator(
        _matching(_VISIBLE_ASCII, "must be letters, digits and signs without spaces")
    ),
]
Name = Annotated[
    str, AfterValidator(_matching(_NAME, "must be 1-64 letters, digits, _ or -"))
]
Variable = Annotated[
    Text, AfterValidator(_matching(_VARIABLE, "is no name of an environment variable"))
]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


def one_of(*names: str) -> BeforeValidator:
    """Take one of the names, exactly; say which name is nearest otherwise."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and value not in names:
            raise refuse("is not a known name", given=value, allowed=names)
        return value

    return BeforeValidator(check)


def names_of(member: str) -> tuple[str, ...]:
    """The names that a member of ``Connection`` takes, from its annotation."""
    hint = get_type_hints(Connection)[member]
    while get_origin(hint) is not Literal:
        hint = get_args(hint)[0]
    return get_args(hint)


def _identity_type(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    spelling = value.strip().lower()
    if spelling not in SPELLINGS:
        raise refuse(
            "is not an mParticle identity type", given=value, allowed=IDENTITY_TYPES
        )
    return SPELLINGS[spelling]


def _environment(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    name = value.strip().lower()
    if name not in ENVIRONMENTS:
        raise refuse(
            "is not an mParticle environment", given=value, allowed=ENVIRONMENTS
        )
    return name


def _region(text: str) -> str:
    region = known_region(text)
    if region is None:
        problem = "is not an ISO 3166-1 alpha-2 region such as US or GB"
        instead = _MISTAKEN_REGIONS.get(text.upper())
        raise refuse(f'{problem}; did you mean "{instead}"?' if instead else problem)
    return region


def _duration(value: Any) -> float:
    if not isinstance(value, str):
        raise refuse("must be text: write it in quotes")
    parts = _DURATION.fullmatch(value.strip())
    seconds = float(parts[1]) * _SECONDS[parts[2]] if parts else 0.0
    if not seconds:
        raise refuse('must be a duration above zero such as "90s", "36h" or "28d"')
    return seconds


def without_duplicates(values: list[Any]) -> list[Any]:
    """Refuse a list that names the same thing twice, whatever the spelling."""
    seen: set[Any] = set()
    for index, value in enumerate(values):
        folded = value.lower() if isinstance(value, str) else value
        if folded in seen:
            raise refuse(f"entry [{index}] is there twice")
        seen.add(folded)
    return values


def not_empty(values: list[Any]) -> list[Any]:
    """Refuse a list without entries."""
    if not values:
        raise refuse("must name at least one")
    return values


IdentityType = Annotated[str, BeforeValidator(_identity_type)]
Environment = Annotated[str, BeforeValidator(_environment)]
Region = Annotated[Text, AfterValidator(_region)]
Duration = Annotated[float, BeforeValidator(_duration)]
