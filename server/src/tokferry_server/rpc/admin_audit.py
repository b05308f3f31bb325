"""The audit log: one line of JSON for each call that reveals or changes something."""

import json
import logging
from typing import Final

from tokferry.v1 import DeadLetterFilter

_log = logging.getLogger("tokferry_server.audit")

_SHOWN: Final = frozenset({"connection", "reasons", "codes", "ambiguous"})
"""Conditions that hold nothing personal; of the others only the name is told."""


def audit(
    action: str, chosen: DeadLetterFilter | None = None, **facts: str | float
) -> None:
    """Write the line; ``facts`` hold no personal data and no free text.

    It is a warning so that it is seen even where nobody has set logging up.
    """
    line: dict[str, object] = {"audit": action, **facts}
    if chosen is not None:
        line["filter"] = _conditions(chosen)
    _log.warning("%s", json.dumps(line), extra={"audit": line})


def _conditions(chosen: DeadLetterFilter) -> dict[str, object]:
    told: dict[str, object] = {}
    for member, value in chosen.ListFields():
        if member.name not in _SHOWN:
            told[member.name] = "given"
        elif isinstance(value, str | bool):
            told[member.name] = value
        else:
            told[member.name] = [int(one) for one in value]
    return told
