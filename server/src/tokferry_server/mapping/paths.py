"""Paths into a batch, as the mapping table and custom mappings write them.

``event.`` is the event's ``data``, ``batch.`` the batch around it. Map keys stand in
brackets when they hold other than letters, digits and ``_``:
``event.custom_flags['TikTok.URL']``. ``event.product_action.products[*].id`` is the id
of the product in hand. ``setting.``, ``identities.``, ``page_query.`` and ``computed.``
name values that are not in the batch as such.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from typing import Any, get_args, get_origin, get_type_hints

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
_INDEX = re.compile(r"\[(\*|[0-9]+)\]")
_A_KEY = "a key of other than letters, digits and _ is written ['key']"
_A_PRODUCT = f"each product's own value is read by {PRODUCTS}NAME"
_OPEN = ("location", "attribution_info", "context")
"""Tables that the model keeps as they are, member by member."""
LIST_MAPS = ("custom_flags", "custom_attributes", "user_attributes")
"""Maps whose values may be lists, of which the first non-empty element counts."""


class PathError(ValueError):
    """A path that names nothing; the text says which part, and what would do.

    ``given`` is the part at fault where only the names ``allowed`` may stand.
    """

    def __init__(self, text: str, given: str | None = None, *allowed: str) -> None:
        super().__init__(text)
        self.given = given
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class Path:
    """One parsed path: ``text`` as written, ``get`` reads it from a scope.

    ``steps`` are the names after the root, whichever way they were written. A path of
    several that are read together has them as ``parts``.
    """

    text: str
    root: str
    get: Getter
    steps: tuple[str, ...] = ()
    parts: tuple["Path", ...] = ()

    @property
    def is_of_product(self) -> bool:
        """Whether it is read from each product."""
        return self.root == "product"

    @property
    def below(self) -> str:
        """What the text of a product's path has behind the product, from its dot on."""
        return self.text.removeprefix(PRODUCTS[:-1]).removeprefix("product")


@lru_cache(maxsize=1024)
def parse_path(text: str) -> Path:
    """Parse ``event.…``, ``batch.…`` or ``product.…``.

    Raises:
        PathError: if the path is malformed or names no field of the model.
    """
    source = text
    if text.startswith(PRODUCTS):
        source = "product." + text.removeprefix(PRODUCTS)
    root, dot, _ = source.partition(".")
    if root not in _ROOTS or not dot:
        problem = f"'{text}': begin the path with event., batch. or product."
        raise PathError(problem, root, *_ROOTS)
    steps = _steps(text, source[len(root) :])
    steps = _check(text, _ROOTS[root], steps)
    return Path(text, root, _getter(root, steps), tuple(steps))


def first_of(value: Any) -> Any:
    """Give a scalar as it is, and of a list its first non-empty element."""
    if isinstance(value, list):
        return next((item for item in value if not _is_empty(item)), None)
    return value


def _is_empty(value: Any) -> bool:
    return value in (None, [], {}) or is_blank_text(value)


def kind_at(path: Path) -> Any:
    """Give what the path's first step holds: a struct, ``dict``, or ``None`` if any."""
    step = path.steps[0]
    if step in _OPEN:
        return None
    kind = _kind(get_type_hints(_ROOTS[path.root])[step])
    return kind if kind is dict or _is_struct(kind) else None


def fields_of(path: Path) -> Iterator[str]:
    """Yield the fields of structs that a path leads through, as ``Struct.field``.

    Of a map it is the entry, ``Struct.field[key]``.
    """
    kind: Any = _ROOTS[path.root]
    for step, below in zip_longest(path.steps, path.steps[1:]):
        field = f"{kind.__name__}.{step}"
        kind = Any if step in _OPEN else _kind(get_type_hints(kind)[step])
        yield f"{field}[{below}]" if kind is dict else field
        if not _is_struct(kind):
            return


def _steps(text: str, rest: str) -> list[str]:
    steps, position = [], 0
    while position < len(rest):
        step = _STEP.match(rest, position)
        if step is None:
            unreadable = rest[position:]
            hint = _A_PRODUCT if _INDEX.match(unreadable) else _A_KEY
            raise PathError(f"'{text}': unreadable from '{unreadable}'; {hint}")
        steps.append(step[1] or step[2])
        position = step.end()
    return steps


def _check(text: str, root: type[msgspec.Struct], steps: list[str]) -> list[str]:
    """Check each step against the model; below a map any key is right."""
    kind: Any = root
    depth = 0
    while _is_struct(kind) and depth < len(steps):
        hints, step = get_type_hints(kind), steps[depth]
        if step not in hints:
            raise PathError(f"'{text}': '{step}' is not known here", step, *hints)
        kind = dict if step in _OPEN else _kind(hints[step])
        depth += 1
    if kind is list:
        raise PathError(f"'{text}': '{steps[depth - 1]}' is a list; {_A_PRODUCT}")
    if kind is Any and depth < len(steps):
        raise PathError(f"'{text}': there is nothing below '{steps[depth - 1]}'")
    if kind is not Any and depth == len(steps):
        raise PathError(f"'{text}': names a table: name one of its values")
    return steps


def _kind(hint: Any) -> Any:
    """Give the struct that a hint names, ``dict``, ``list``, or ``Any`` for a value."""
    kinds = [get_origin(one) or one for one in get_args(hint)]
    structs = [kind for kind in kinds if _is_struct(kind)]
    return next(iter([*structs, *(one for one in (dict, list) if one in kinds), Any]))


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _getter(root: str, steps: list[str]) -> Getter:
    if len(steps) == 1:
        (name,) = steps
        return lambda scope: getattr(getattr(scope, root), name)
    if len(steps) == 2:  # noqa: PLR2004  # the common depth, without a loop
        outer, inner = steps
        take = first_of if outer in LIST_MAPS else _as_is
        if outer == "user_attributes":
            find = AnyCase(frozenset({inner})).find
            return lambda scope: take(find(scope.batch.user_attributes).get(inner))
        return lambda scope: take(_step(getattr(getattr(scope, root), outer), inner))

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


class AnyCase:
    """Finds entries of maps by their names in any case, rather by the very ones.

    MParticle prints reserved names in lower case, its SDKs send camel case.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        self._in_lower_case: dict[str, list[str]] = {}
        for name in names:
            self._in_lower_case.setdefault(name.lower(), []).append(name)

    def find(self, given: Any) -> dict[str, Any]:
        """Give a map with what stands under the names; there may be more in it."""
        if not isinstance(given, dict):
            return {}
        if given.keys() >= self.names:
            return given
        found: dict[str, Any] = {}
        for key, value in given.items():
            for name in self._in_lower_case.get(key.lower(), ()):
                if key == name or name not in found:
                    found[name] = value
        return found
