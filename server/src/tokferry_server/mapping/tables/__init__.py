"""The mapping as data: which field comes from where, which event becomes which."""

import tomllib
from importlib import resources
from typing import Any


def read_table(name: str) -> dict[str, Any]:
    """Read one of this folder's TOML files."""
    return tomllib.loads((resources.files(__name__) / name).read_text("utf-8"))
