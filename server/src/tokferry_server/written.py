"""Makes functions of source that was written from a table or from descriptors.

Tracebacks and debuggers show its lines. CPython keeps what it learns about the values
of names in the bytecode itself, so functions share one only with the very same names:
with the names of others in turns, each look for a global is slow.
"""

import linecache
from functools import lru_cache
from hashlib import sha256
from types import CodeType
from typing import Any

_KEPT = 256

_loaded: dict[tuple[Any, ...], dict[str, Any]] = {}


def load(source: str, names: dict[str, Any]) -> dict[str, Any]:
    """Give the functions of the source by name; ``names`` is what they refer to.

    They are the same ones as before when source and names are.
    """
    key = (source, *((name, id(value)) for name, value in names.items()))
    space = _loaded.get(key)
    if space is None:
        space = dict(names)  # what it holds, nothing else can have the id of
        exec(_unshared(_compiled(source)), space)  # noqa: S102  # written here, by us
        while len(_loaded) >= _KEPT:
            _loaded.pop(next(iter(_loaded)), None)
        _loaded[key] = space
    return space


def _unshared(module: CodeType) -> CodeType:
    """Give the code with functions that have learnt nothing yet."""
    parts = module.co_consts
    return module.replace(
        co_consts=tuple(
            part.replace() if isinstance(part, CodeType) else part for part in parts
        )
    )


@lru_cache(maxsize=_KEPT)
def _compiled(source: str) -> CodeType:
    name = f"<written {sha256(source.encode()).hexdigest()[:12]}>"
    lines = source.splitlines(keepends=True)
    linecache.cache[name] = (len(source), None, lines, name)
    return compile(source, name, "exec")
