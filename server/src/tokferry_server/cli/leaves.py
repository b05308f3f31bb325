"""Takes decoded JSON apart into its leaves, each with its path."""

import json
from collections.abc import Iterator
from typing import Any

from tokferry_server.cli.paper import shown

Leaf = tuple[str, Any]


def leaves(value: Any, path: str = "") -> Iterator[Leaf]:
    """Yield (path, value): ``contents[0].price``; a list of scalars is one leaf."""
    if isinstance(value, dict) and value:
        for name, member in value.items():
            yield from leaves(member, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for index, member in enumerate(value):
            yield from leaves(member, f"{path}[{index}]")
    else:
        yield path, value


def as_json(value: Any) -> str:
    """JSON on one line, with letters as they are if they can be printed."""
    return shown(json.dumps(value, ensure_ascii=False))
