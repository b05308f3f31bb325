"""Calls that wait to be taken up, by turns of the connections they came over."""

import asyncio
from collections import OrderedDict, deque
from contextvars import ContextVar
from typing import Any, Final

AT_WORK: Final = 8
"""How many calls are worked on at a time; those that wait for others do not count."""
WORK_SECONDS: Final = 0.02
"""After so long a call is taken to wait for something: for its body, mostly."""
MOST: Final = 4096
MOST_OF_ONE: Final = 64
"""Twice what a connection may have open: of more, the oldest were given up."""

_Line = OrderedDict[str, deque[Any]]


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
        self._lines: dict[bytes, _Line] = {}
        self._takers: dict[bytes, asyncio.Future[Any]] = {}
        self._held_up: dict[bytes, None] = {}
        self._begun: deque[float] = deque()
        self._look_again: asyncio.TimerHandle | None = None
        self._count = 0

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return self._count

    def put(self, method: bytes, peer: str, call: Any) -> None:
        """Let a call of a connection wait; the oldest goes if there are too many."""
        calls = self._lines[method].setdefault(peer, deque())
        calls.append(call)
        if len(calls) > MOST_OF_ONE:
            calls.popleft()
        else:
            self._count += 1
        self._offer(method)

    def take(self, method: bytes) -> asyncio.Future[Any]:
        """Promise the next call to a method; one is promised at a time."""
        self._lines.setdefault(method, OrderedDict())
        taker = self._takers[method] = asyncio.get_running_loop().create_future()
        self._offer(method)
        return taker

    def fail(self, method: bytes, error: BaseException) -> None:
        """Raise an error where a call is waited for."""
        taker = self._takers.pop(method, None)
        if taker is not None and not taker.done():
            taker.set_exception(error)

    def worked(self) -> None:
        """Note that a call that was taken up needs no more work."""
        if self._begun:
            self._begun.popleft()
        self._go_on()

    def _go_on(self) -> None:
        for method in list(self._held_up):
            del self._held_up[method]
            self._offer(method)

    def _offer(self, method: bytes) -> None:
        line = self._lines[method]
        if not line or method not in self._takers:
            return
        if not self._may_begin():
            self._held_up[method] = None
            return
        taker = self._takers.pop(method)
        if not taker.done():  # the server stops
            taker.set_result(self._next(line))

    def _may_begin(self) -> bool:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._begun and self._begun[0] <= now - self._work_seconds:
            self._begun.popleft()
        if len(self._begun) < self._most_at_work:
            self._begun.append(now)
            return True
        if self._look_again is None:
            at = self._begun[0] + self._work_seconds
            self._look_again = loop.call_at(at, self._looked)
        return False

    def _looked(self) -> None:
        self._look_again = None
        self._go_on()

    def _next(self, line: _Line) -> Any:
        peer, calls = line.popitem(last=False)
        call = calls.popleft()
        if calls:
            line[peer] = calls
        self._count -= 1
        return call


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
