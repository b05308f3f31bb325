"""Calls that wait to be taken up, by turns of the connections they came over."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

from tokferry_server.lines import Lines

AT_WORK: Final = 8
"""How many calls are worked on at a time; those that wait for others do not count."""
WORK_SECONDS: Final = 0.02
"""After so long a call is taken to wait for something: for its body, mostly."""
MOST: Final = 4096
MOST_OF_ONE: Final = 64
"""Twice what a connection may have open: of more, the oldest were given up."""

Begin = Callable[[], object]
"""Takes a call up; its work is done later."""


class Turns:
    """One call of each connection, then the next of each: a flood waits for itself.

    Calls are taken up no faster than they are worked off. Otherwise all would make
    progress at the same time, and those who call seldom would wait for all the others.
    """

    def __init__(
        self, *, at_work: int = AT_WORK, work_seconds: float = WORK_SECONDS
    ) -> None:
        self._most_at_work = at_work
        self._work_seconds = work_seconds
        self._lines: OrderedDict[str, Lines[Begin]] = OrderedDict()
        self._begun: deque[float] = deque()
        self._look_again: asyncio.TimerHandle | None = None
        self.waiting = 0
        """How many calls wait."""

    def put(self, method: str, peer: str, begin: Begin) -> None:
        """Take a call of a connection up, now or in its turn.

        Methods have turns, too. Of too many calls to one, the oldest goes.
        """
        if not self._lines and self._may_begin():
            begin()
            return
        calls = self._lines.setdefault(method, Lines())
        if calls.put(peer, begin) > MOST_OF_ONE:
            calls.drop_oldest(peer)
        else:
            self.waiting += 1
        self._go_on()

    def worked(self) -> None:
        """Note that a call that was taken up needs no more work."""
        if self._begun:
            self._begun.popleft()
        self._go_on()

    def _go_on(self) -> None:
        while self._lines and self._may_begin():
            self._next()()

    def _may_begin(self) -> bool:
        now = time.monotonic()
        while self._begun and self._begun[0] <= now - self._work_seconds:
            self._begun.popleft()
        if len(self._begun) < self._most_at_work:
            self._begun.append(now)
            return True
        if self._look_again is None:
            wait = self._begun[0] + self._work_seconds - now
            loop = asyncio.get_running_loop()
            self._look_again = loop.call_later(wait, self._looked)
        return False

    def _looked(self) -> None:
        self._look_again = None
        self._go_on()

    def _next(self) -> Begin:
        method, calls = self._lines.popitem(last=False)
        begin = calls.take()
        if calls:
            self._lines[method] = calls
        self.waiting -= 1
        return begin


class Turn:
    """That of one call; given back when it ends, or waits for others."""

    __slots__ = ("_turns",)

    def __init__(self, turns: Turns | None = None) -> None:
        self._turns = turns

    def give_back(self) -> None:
        """Let another call be taken up; the first time counts."""
        turns, self._turns = self._turns, None
        if turns is not None:
            turns.worked()


turn: ContextVar[Turn] = ContextVar("turn", default=Turn())  # noqa: B039  has none
