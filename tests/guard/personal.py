"""What no log, span, metric, status or masked view may hold: data of made-up people.

All tests use such data only as stand in documentation, and tokens that say so.
"""

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Final

from telemetry.canaries import CANARIES, OPERATORS_SEE

_MARK: Final = "cnry"
_KINDS: Final = {
    "an e-mail address": r"(?<![\w.+-])[\w.+-]+@(?:[\w-]+\.)+[a-z]{2,}",
    "an IP address": (
        # Those of documentation but 192.0.2.0/24, at which tests have servers.
        r"\b(?:198\.51\.100|203\.0\.113)\.\d+|\b2001:db8:[0-9a-f:]+"
    ),
    "a telephone number": r"\+[1-9]\d{7,14}\b",
    "a token": r"made-up-token[\w-]*|hunter2",
    "a page": r"https?://[\w.-]*\bexample\.(?:com|org|net)\b",
    "a browser": r"Mozilla/5\.0|ExampleBrowser",
    "a click id": r"E\.C\.P\.",
}


def _pattern(but: Collection[str] = ()) -> re.Pattern[str]:
    """Look for all kinds, and for the canaries but some."""
    wanted = [re.escape(one) for name, one in CANARIES.items() if name not in but]
    # Most begin alike: told apart only behind that, they are looked for much faster.
    marked = [one.removeprefix(_MARK) for one in wanted if one.startswith(_MARK)]
    others = [one for one in wanted if not one.startswith(_MARK)]
    kinds = (*_KINDS.values(), "|".join([f"{_MARK}(?:{'|'.join(marked)})", *others]))
    return re.compile("|".join(f"({one})" for one in kinds), re.IGNORECASE)


_NAMES: Final = (*_KINDS, "a canary")
_ANYWHERE: Final = _pattern()
_FOR_OPERATORS: Final = _pattern(OPERATORS_SEE)


@lru_cache(maxsize=1000)  # spans and statuses are much alike
def kinds_in(text: str, *, for_operators: bool = False) -> tuple[str, ...]:
    """Name the kinds of personal data that stand in a text, each with one that does.

    Operators are shown labels of callers and ids of events and wares.
    """
    found: dict[str, str] = {}
    for match in (_FOR_OPERATORS if for_operators else _ANYWHERE).finditer(text):
        found.setdefault(_NAMES[(match.lastindex or 1) - 1], match[0])
    return tuple(f"{kind} ({shown})" for kind, shown in found.items())
