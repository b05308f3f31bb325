"""Makes functions of source that was written from a table or from descriptors.

Tracebacks and debuggers show its lines.
"""

import linecache
from functools import lru_cache
from hashlib import sha256
from types import CodeType
from typing import Any

_KEPT = 256


def load(source: str, names: dict[str, Any]) -> dict[str, Any]:
    """Give the functions of the source by name; ``names`` is what they refer to."""
    space = dict(names)
    exec(_compiled(source), space)  # noqa: S102  # written here, by us
    return space


@lru_cache(maxsize=_KEPT)
def _compiled(source: str) -> CodeType:
    name = f"<written {sha256(source.encode()).hexdigest()[:12]}>"
    lines = source.splitlines(keepends=True)
    linecache.cache[name] = (len(source), None, lines, name)
    return compile(source, name, "exec")
