"""How a function reads the paths of its rows: an expression each, and its locals."""

import re
from functools import cache, lru_cache
from typing import Any

from tokferry_server.mapping.paths import LIST_MAPS, AnyCase, Path, first_of, kind_at
from tokferry_server.mapping.sources import CHOSEN, HELD

_NOT_NAME = re.compile(r"\W+")
_NOTHING: dict[str, Any] = {}

_DEPTH = 2
"""Steps of the paths that are read in line, if they are more than one."""

# The same ones for all functions: those with the very same names share their bytecode.
_any_case = lru_cache(maxsize=256)(AnyCase)


@cache
def _nothing(kind: Any) -> Any:
    """Give a struct of which nothing is set."""
    return kind()


class Reads:
    """Collects the locals of one function.

    ``names``, which functions may share, gets what their code refers to.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        self._locals: dict[str, list[str]] = {}
        self.names = names

    @property
    def lines(self) -> list[str]:
        """The lines that set the locals, in the order in which they are needed."""
        return [line for lines in self._locals.values() for line in lines]

    def expression(self, path: Path) -> str:
        """Give the code that reads the path: ``None`` when nothing is there."""
        if path.parts:
            parts = [self.expression(part) for part in path.parts]
            is_there = " or ".join(f"{part} is not None" for part in parts)
            return f"({', '.join(parts)}) if {is_there} else None"
        if path.text in HELD:
            return f"scope.{HELD[path.text]}"
        if path.text in CHOSEN:
            types = f"scope.connection.{CHOSEN[path.text]}"
            # Of one type, as by default, without a call.
            alone = f"scope.identities.get({types}[0]) if len({types}) == 1"
            return f"{alone} else {self._call(path)}"
        if path.steps and path.root != "product":
            self._locals[path.root] = [f"{path.root} = scope.{path.root}"]
        if len(path.steps) == 1:
            return f"{path.root}.{path.steps[0]}"
        kind = kind_at(path) if len(path.steps) == _DEPTH else None
        return self._call(path) if kind is None else self._below(path, kind)

    def _below(self, path: Path, kind: Any) -> str:
        """Give the code that reads a member of a struct, or of a map."""
        outer, inner = path.steps
        place = f"{path.root}_{outer}"
        if kind is not dict:
            self._locals[place] = [f"{place} = {path.root}.{outer} or NO_{outer}"]
            self.names[f"NO_{outer}"] = _nothing(kind)
            return f"{place}.{inner}"
        if outer == "user_attributes":
            known = self.names.get("any_case", _any_case(frozenset()))
            self.names["any_case"] = _any_case(known.names | {inner})
            self._locals[place] = [f"{place} = any_case.find({path.root}.{outer})"]
            return f"{place}.get({inner!r})"
        self._locals[place] = [
            f"{place} = {path.root}.{outer}",
            f"if type({place}) is not dict:",
            f"    {place} = NOTHING",
        ]
        self.names["NOTHING"] = _NOTHING
        return f"{place}.get({inner!r})"

    def value(self, path: Path, name: str) -> str:
        """Give the code for what ``name``, read from the path, is worth."""
        if len(path.steps) == _DEPTH and path.steps[0] in LIST_MAPS:
            self.names["first_of"] = first_of
            return f"{name} if type({name}) is str else first_of({name})"
        return name

    def _call(self, path: Path) -> str:
        if path.root == "product":
            self._locals["scope.product"] = ["scope.product = product"]
        name = _NOT_NAME.sub("_", path.text).strip("_")
        while self.names.get(name, path.get) is not path.get:
            name += "_"  # paths that differ in other than letters and digits
        self.names[name] = path.get
        return f"{name}(scope)"
