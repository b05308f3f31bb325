"""Which lines of the server's log a soak must expect, and by what each is explained."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from chaos.sandbox_chaos import REFUSED
from soak.sandbox import THROTTLES

_QUIET: Final = ("debug", "info")
_MOST_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Expected:
    """A kind of lines, and what was done that explains at most so many of them."""

    message: re.Pattern[str]
    causes: tuple[str, ...]


EXPECTED: Final = (
    Expected(re.compile(r"server\.tls: new files are in use"), ("certificate",)),
    # A connection came between the renaming of the certificate and that of the key.
    Expected(re.compile(r"server\.tls: .* cannot be used together"), ("certificate",)),
    # The runbook has it that the old token's file is emptied.
    Expected(
        re.compile(r"a token is of no use: principal soak: .* is blank"),
        ("caller's token",),
    ),
    Expected(
        re.compile(r"\d+ events of connection \w+ became dead letters"), (REFUSED,)
    ),
    Expected(re.compile(r"connection \w+ is throttled by TikTok"), THROTTLES),
)


def unexplained(lines: Iterable[str], done: Mapping[str, int]) -> list[str]:
    """Give the warnings and errors that nothing done explains.

    ``done`` counts what was done: faults of the sandbox, and rotations by their kinds.
    A line that is not the server's own JSON is never explained.
    """
    left: list[str] = []
    seen: Counter[Expected] = Counter()
    for line in lines:
        level, message = _read(line)
        if level in _QUIET:
            continue
        kind = next((one for one in EXPECTED if one.message.match(message)), None)
        if kind is not None:
            seen[kind] += 1
        else:
            left.append(f"{level}: {message}")
    for kind, number in seen.items():
        reasons = sum(done.get(cause, 0) for cause in kind.causes)
        if number > reasons:
            text = f"{number} lines {kind.message.pattern!r} for {reasons} causes"
            left.append(f"{text} ({', '.join(kind.causes)})")
    return left


def shown(left: list[str]) -> str:
    """Give the first of them, as one text."""
    return "; ".join(left[:_MOST_SHOWN])


def _read(line: str) -> tuple[str, str]:
    try:
        record = json.loads(line)
        return record["level"], record["message"]
    except (ValueError, TypeError, KeyError):
        return "not the server's", line.rstrip()
