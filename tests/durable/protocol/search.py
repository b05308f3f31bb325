"""Goes through every state that can be reached, and on from each to its end."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from durable.protocol.model import server, steps, wait
from durable.protocol.replay import Pending
from durable.protocol.state import ACKED, Closing, State

_WAIT: Final = 63
ENDINGS: Final = {
    "TikTok answers": ("answers 0", "taken", "answers 60001"),
    "no answer is clear": ("answers 60001",),
    "TikTok takes nothing": ("answers 40200", "answers 60001"),
}
"""What TikTok does from now on: the first of these that it can."""


@dataclass(slots=True)
class Search:
    """``problems`` tell what went wrong, and the steps that led there."""

    states: int = 0
    steps: int = 0
    problems: list[str] = field(default_factory=list)


def search(jump: int, most: int = 10**9) -> Search:
    """Visit all states, or the nearest; ends with the first problem.

    The machine's clock may jump once, by so many ticks.
    """
    found = Search()
    came: dict[State, tuple[State, str] | None] = {State(): None}
    waiting = deque(came)
    settles: dict[str, set[State]] = {name: set() for name in ENDINGS}
    while waiting and len(came) < most and not found.problems:
        state = waiting.popleft()
        problem = state.problem or _loss(state)
        for name, good in settles.items() if state.caller == ACKED else ():
            if not problem and not _settles(state, ENDINGS[name], good):
                problem = f"{name}, and an event that was acked is never settled"
        if problem:
            found.problems.append(f"{problem}: {', '.join(_path(state, came))}")
        for name, following in steps(state, jump):
            found.steps += 1
            if following not in came:
                came[following] = (state, name)
                waiting.append(following)
    found.states = len(came)
    return found


def _path(state: State, came: dict[State, tuple[State, str] | None]) -> list[str]:
    path: list[str] = []
    while (before := came[state]) is not None:
        state, name = before
        path.append(name)
    return path[::-1]


def _loss(state: State) -> str:
    lost = state.caller == ACKED and state.row is None
    return "acked, and not in the outbox" if lost else ""


def _settles(state: State, answers: tuple[str, ...], good: set[State]) -> bool:
    """Say whether a row is settled if the server lives and TikTok does as said."""
    path: list[State] = []
    passed: set[State] = set()
    while isinstance(state.row, Pending) and state not in good:
        if state in passed:
            return False
        passed.add(state)
        path.append(state)
        state = _onward(state, answers)
    good.update(path)
    return True


def _onward(state: State, answers: tuple[str, ...]) -> State:
    if not state.up:
        return dict(steps(state, 0))["starts"]
    if state.busy is None:
        return dict(server(wait(state, _WAIT)))["claims"]
    following = dict(server(state))
    if isinstance(state.busy, Closing) or len(following) == 1:
        [only] = following.values()
        return only
    return next(following[name] for name in answers if name in following)
