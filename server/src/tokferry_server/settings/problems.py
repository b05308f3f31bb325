"""What is wrong with settings: every problem at once, each with its place."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

_SHORT = 10
"""A list no longer than this is printed even if the nearest name is known."""

_PREFIX = 3
"""A beginning of so many letters is near enough: "prod" is near "production"."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong, or worth a warning; never holds a value of the settings.

    ``file`` is ``None`` for settings given inline; ``key`` is the path of the setting
    (``connections.shop.environments[1]``), or a line and column, or empty for the whole
    file. ``allowed`` lists the names that may stand there, ``nearest`` is one of them.
    """

    key: str
    problem: str
    file: str | None = None
    allowed: tuple[str, ...] = ()
    nearest: str | None = None

    def __str__(self) -> str:
        """``file: key: problem``, on one line."""
        place = ": ".join(part for part in (self.file, self.key) if part)
        return f"{place}: {self.description}" if place else self.description

    @property
    def description(self) -> str:
        """What is wrong, the nearest known name, and what is allowed."""
        text = self.problem
        if self.nearest is not None:
            text += f'; did you mean "{self.nearest}"?'
        if self.allowed and (self.nearest is None or len(self.allowed) <= _SHORT):
            text += f" (allowed: {', '.join(self.allowed)})"
        return text


class SettingsError(ValueError):
    """The settings are wrong; ``problems`` lists everything that is."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def nearest(given: str, known: Sequence[str]) -> str | None:
    """Give the known name that looks most like the one given, if any does."""
    by_spelling = {name.lower(): name for name in known}
    spelling = given.strip().lower()
    found = get_close_matches(spelling, by_spelling, n=1, cutoff=0.6)
    if not found and len(spelling) >= _PREFIX:
        found = [name for name in by_spelling if name.startswith(spelling)]
    return by_spelling[found[0]] if found else None


def key_path(parts: Iterable[str | int]) -> str:
    """Write a place as settings do: ``connections.shop.environments[1]``."""
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            name = part if _BARE_KEY.fullmatch(part) else f'"{_printable(part)}"'
            path += f".{name}" if path else name
    return path


def _printable(text: str) -> str:
    """Text without control characters, cut: keys are written to logs and terminals."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text[:64])
    return shown if len(text) <= len(shown) else shown + "…"
