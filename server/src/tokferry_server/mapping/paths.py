"""Paths into a batch, as the mapping table and custom mappings write them.

``event.`` is the event's ``data``, ``batch.`` the batch around it. Map keys stand in
brackets when they hold other than letters, digits and ``_``:
``event.custom_flags['TikTok.URL']``. ``event.product_action.products[*].id`` is the id
of the product in hand. ``setting.``, ``identities.``, ``page_query.`` and ``computed.``
name values that are not in the batch as such.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

import msgspec

from tokferry_server.mapping.rules.texts import is_blank_text
from tokferry_server.mapping.scope import Scope
from tokferry_server.mparticle.model import BatchData, EventData, Product

Getter = Callable[[Scope], Any]

PRODUCTS = "event.product_action.products[*]."
_ROOTS: dict[str, type[msgspec.Struct]] = {
    "event": EventData,
    "batch": BatchData,
    "product": Product,
}
_STEP = re.compile(r"\.([A-Za-z0-9_]+)|\['([^']+)'\]")
_LIST_MAPS = ("custom_flags", "custom_attributes", "user_attributes")


class PathError(ValueError):
    """A path that names nothing; the text says which part, and what would do."""


@dataclass(frozen=True, slots=True)
class Path:
    """One parsed path: ``text`` as written, ``get`` reads it from a scope."""

    text: str
    root: str
    get: Getter


def parse_path(text: str) -> Path:
    """Parse ``event.…``, ``batch.…`` or ``product.…``.

    Raises:
        PathError: if the path is malformed or names no field of the model.
    """
    source = "product." + text.removeprefix(PRODUCTS) if PRODUCTS in text else text
    root, dot, _ = source.partition(".")
    if root not in _ROOTS or not dot:
        raise PathError(f"'{text}': begin the path with event., batch. or product.")
    steps = _steps(text, source[len(root) :])
    return Path(text, root, _getter(root, _check(text, _ROOTS[root], steps)))


def first_of(value: Any) -> Any:
    """Give a scalar as it is, and of a list its first non-empty element."""
    if isinstance(value, list):
        return next((item for item in value if not _is_empty(item)), None)
    return value


def _is_empty(value: Any) -> bool:
    return value in (None, [], {}) or is_blank_text(value)


def _steps(text: str, rest: str) -> list[str]:
    steps, position = [], 0
    while position < len(rest):
        step = _STEP.match(rest, position)
        if step is None:
            raise PathError(f"'{text}': unreadable from '{rest[position:]}'")
        steps.append(step[1] or step[2])
        position = step.end()
    return steps


def _check(text: str, root: type[msgspec.Struct], steps: list[str]) -> list[str]:
    """Check each step against the model; below a map any key is right."""
    current: type[msgspec.Struct] | None = root
    for step in steps:
        if current is None:
            break
        hints = get_type_hints(current)
        if step not in hints:
            raise PathError(
                f"'{text}': '{step}' is not known here; one of {', '.join(hints)}"
            )
        current = next(
            (
                kind
                for kind in get_args(hints[step])
                if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
            ),
            None,
        )
    return steps


def _getter(root: str, steps: list[str]) -> Getter:
    if len(steps) == 1:
        (name,) = steps
        return lambda scope: getattr(getattr(scope, root), name)
    if len(steps) == 2:  # noqa: PLR2004  # the common depth, without a loop
        outer, inner = steps
        take = first_of if outer in _LIST_MAPS else _as_is
        step = _step_any_case if outer == "user_attributes" else _step
        return lambda scope: take(step(getattr(getattr(scope, root), outer), inner))

    def walk(scope: Scope) -> Any:
        value = getattr(scope, root)
        for step in steps:
            value = _step(value, step)
        return value

    return walk


def _as_is(value: Any) -> Any:
    return value


def _step(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return value.get(name)
    return getattr(value, name, None)


def _step_any_case(value: Any, name: str) -> Any:
    """MParticle prints reserved names in lower case, its SDKs send camel case."""
    if not isinstance(value, dict):
        return None
    if name in value:
        return value[name]
    wanted = name.lower()
    return next((item for key, item in value.items() if key.lower() == wanted), None)
