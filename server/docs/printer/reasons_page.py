"""The page of reasons: of drops, warnings, failed deliveries and failed calls."""

import re
from collections.abc import Iterator

from proto_comments import enum_values
from tables import code, table

from tokferry_server.mapping.outcome import DropReason, WarningCode

INTRODUCTION = """\
Why an event is not sent, is changed, or fails. The names are those of the protos; the
ones for calls and settings that this version does not offer do not occur.
`tokferry reasons` prints the drops and warnings.
"""
_FATE = re.compile(r"(Certainly not taken|Perhaps taken)\.")
_STATUS = re.compile(r"([A-Z_]{6,})(, with RetryInfo)?\.$")


def reasons_page() -> str:
    """Give the page."""
    lines = ["# Reasons", "", INTRODUCTION]
    lines += ["## Drops", "", "Reported in this order: the first that applies.", ""]
    lines += table(("reason", "meaning", "", "remedy"), _drops())
    lines += ["`intended` follows from settings or the user's wish; `defect` is a"]
    lines += ["fault of the data.", "", "## Warnings", ""]
    lines += ["The event is sent all the same.", ""]
    lines += table(("code", "meaning", "remedy"), _warnings())
    lines += ["## Deliveries", ""]
    lines += ["Why an event that was to be delivered is not, or not yet.", ""]
    lines += table(("reason", "meaning", "taken by TikTok?"), _deliveries())
    lines += ["## Failed calls", ""]
    lines += ["Why a call fails as a whole.", ""]
    lines += table(("reason", "meaning", "gRPC status"), _errors())
    return "\n".join(lines)


def _drops() -> Iterator[tuple[str, ...]]:
    comments = enum_values("DropReason")
    for reason in DropReason:
        meaning = re.split(r" (?:Intended\.|Remedy:)", comments[reason.name])[0]
        kind = "intended" if reason.intended else "defect"
        yield code(reason.name), meaning, kind, reason.remedy


def _warnings() -> Iterator[tuple[str, ...]]:
    comments = enum_values("WarningCode")
    for warning in WarningCode:
        text = comments[warning.name].removesuffix(" The event is still sent.")
        yield code(warning.name), warning.value, _remedy(text)


def _remedy(comment: str) -> str:
    remedy = comment.partition(" Remedy: ")[2]
    return remedy[:1].upper() + remedy[1:]


def _deliveries() -> Iterator[tuple[str, ...]]:
    for name, comment in enum_values("DeliveryReason").items():
        fate = _FATE.search(comment)
        meaning = _FATE.sub("", comment).strip()
        yield code(name), meaning, fate[1].lower() if fate else ""


def _errors() -> Iterator[tuple[str, ...]]:
    for name, comment in enum_values("ErrorReason").items():
        status = _STATUS.search(comment)
        if status is None:
            raise SystemExit(f"reasons_page.py: the comment of {name} names no status")
        yield code(name), comment[: status.start()].strip(), code(status[1])
