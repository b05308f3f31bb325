"""Named points at which a test makes the process fail, by an environment variable.

``TOKFERRY_FAILPOINTS="outbox.before_commit=kill@7,delivery.before_post=sleep:0.1"``:
a comma between points; ``@7`` acts from the seventh pass on (the first by default).
Unset, which is all a server in use ever is, a point is an empty function.
"""

import errno
import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Final

VARIABLE: Final = "TOKFERRY_FAILPOINTS"

POINTS: Final = (
    "outbox.before_commit",
    "outbox.after_commit",
    "outbox.before_settle",
    "outbox.before_reschedule",
    "outbox.before_kill",
    "outbox.in_replay",
    "outbox.before_checkpoint",
    "outbox.after_checkpoint",
    "delivery.before_post",
    "delivery.after_post",
    "delivery.before_settle",
    "delivery.after_settle",
    "delivery.before_reschedule",
    "delivery.before_kill",
    "delivery.in_isolation",
    "delivery.in_drain",
)
"""Every point there is. A misspelt one is an error, not a test that tests nothing."""

Failpoint = Callable[[], None]


def failpoint(name: str, *, environment: Mapping[str, str] = os.environ) -> Failpoint:
    """Give the function to call at the point ``name``.

    The actions: ``exit`` (status 70, no clean-up), ``kill`` (SIGKILL), ``eio`` and
    ``enospc`` (raise OSError), ``sleep:SECONDS``, and ``log:FILE`` (appends the
    name as one line).

    Raises:
        ValueError: the variable names a point or an action that does not exist.
    """
    if name not in POINTS:
        raise ValueError(f"no failpoint is called {name!r}: it is one of {POINTS}")
    text = environment.get(VARIABLE, "")
    chosen = _parse(text) if text else {}
    if name not in chosen:
        return _nothing
    action, first = chosen[name]
    return _from_pass(first, _action(action, name))


def _nothing() -> None:
    """Do what a point does in a server in use."""


def _parse(text: str) -> dict[str, tuple[str, int]]:
    chosen: dict[str, tuple[str, int]] = {}
    for part in text.split(","):
        name, equals, action = part.strip().partition("=")
        if not equals or name not in POINTS:
            raise ValueError(f"{VARIABLE}: {part.strip()!r} is not POINT=ACTION")
        action, at, first = action.partition("@")
        if at and not first.isdecimal():
            raise ValueError(f"{VARIABLE}: {part.strip()!r}: a number comes after @")
        chosen[name] = (action, int(first) if at else 1)
    return chosen


def _from_pass(first: int, act: Failpoint) -> Failpoint:
    passes = 0

    def point() -> None:
        nonlocal passes
        passes += 1
        if passes >= first:
            act()

    return point


def _action(text: str, line: str) -> Failpoint:
    kind, _, argument = text.partition(":")
    if kind == "exit":
        return lambda: os._exit(70)
    if kind == "kill":
        return lambda: os.kill(os.getpid(), signal.SIGKILL)
    if kind == "sleep":
        seconds = float(argument)
        return lambda: time.sleep(seconds)
    if kind == "log":
        return _log(argument, line)
    number = {"eio": errno.EIO, "enospc": errno.ENOSPC}.get(kind)
    if number is None:
        raise ValueError(f"{VARIABLE}: there is no action {text!r}")
    return lambda: _fail(number)


def _log(path: str, line: str) -> Failpoint:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    descriptor = os.open(path, flags, 0o600)
    data = f"{line}\n".encode()

    def log() -> None:
        os.write(descriptor, data)

    return log


def _fail(number: int) -> None:
    raise OSError(number, os.strerror(number))
