"""Scripted faults: what the sandbox does wrong, and with which requests."""

from collections.abc import Collection, Iterable
from typing import Literal

import msgspec

from tokferry_server.sandbox.ledger import Sent

Reply = Literal[
    "handle", "code", "html", "text", "truncated", "reset", "reset_unread", "refuse"
]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One scripted fault.

    ``reply`` is what the caller gets: ``handle`` the ordinary answer, ``code`` an
    answer with that ``code`` under that ``status``, ``html`` a page under ``status``,
    ``text`` an empty plain answer, ``truncated`` half an answer, ``reset`` a broken
    connection after the request is read, ``reset_unread`` before; ``refuse`` an answer
    40002 (or ``code``) to requests that hold one of ``event_ids``, with the index of
    the first one if ``named``.

    ``taken``: the events are taken first. ``delay``: seconds before the reply.
    ``retry_after``: that header, in seconds. ``message``: the answer's text.

    It meets requests that hold ``event_id`` (if given), every ``every``-th of them,
    ``times`` times (None: always). ``reset_unread`` cannot look at events.
    """

    reply: Reply = "code"
    code: int | None = None
    status: int = 200
    message: str = "scripted fault"
    retry_after: int | None = None
    delay: float = 0.0
    taken: bool = False
    event_ids: frozenset[str] = frozenset()
    named: bool = True
    event_id: str | None = None
    every: int = 1
    times: int | None = 1


class _Entry(msgspec.Struct):
    fault: Fault
    met: int = 0
    used: int = 0

    def spent(self) -> bool:
        return self.fault.times is not None and self.used >= self.fault.times

    def due(self) -> bool:
        return (self.met + 1) % self.fault.every == 0

    def meet(self) -> bool:
        """Count a request that fits; say whether the fault happens to it."""
        due = self.due()
        self.met += 1
        self.used += due
        return due


class Script:
    """The faults in order; each request gets the first one that meets it."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._entries = [_Entry(fault) for fault in faults]

    def __bool__(self) -> bool:
        """Say whether any fault is scripted."""
        return bool(self._entries)

    def add(self, faults: Iterable[Fault]) -> None:
        """Put faults behind those that are there."""
        self._entries += [_Entry(fault) for fault in faults]

    def clear(self) -> None:
        """Remove all faults."""
        self._entries.clear()

    def next_unread(self) -> Fault | None:
        """Give the fault for a request whose body is not read yet."""
        for entry in self._entries:
            fault = entry.fault
            if entry.spent():
                continue
            if fault.reply == "reset_unread":
                if entry.meet():
                    return fault
            elif fault.event_id is None and fault.reply != "refuse" and entry.due():
                return None  # its turn comes first, once the body is read
        return None

    def next(self, sent: Collection[Sent]) -> Fault | None:
        """Give the fault for a request that holds these events."""
        ids = {one.event_id for one in sent}
        for entry in self._entries:
            if not entry.spent() and _fits(entry.fault, ids) and entry.meet():
                return entry.fault
        return None


def _fits(fault: Fault, ids: Collection[str | None]) -> bool:
    if fault.reply == "reset_unread":
        return False
    if fault.reply == "refuse" and fault.event_ids.isdisjoint(ids):
        return False
    return fault.event_id is None or fault.event_id in ids
