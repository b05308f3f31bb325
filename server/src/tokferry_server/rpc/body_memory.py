"""Bounds the memory that requests of one message each take."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import grpc

from tokferry.v1 import ErrorReason
from tokferry_server.delivery.slots import asker
from tokferry_server.rpc.errors import CallError
from tokferry_server.rpc.limits import MAX_MESSAGE_BYTES
from tokferry_server.rpc.request_memory import RequestMemory, Share
from tokferry_server.telemetry.vitals import resident_bytes

MOST_BYTES: Final = 64 * 1024 * 1024
READ_SECONDS: Final = 10.0
"""How long a body may take to arrive."""
WAIT_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 1.0
FULL: Final = 0.8
"""The part of the process's memory from which on calls are refused."""
_LOOK_SECONDS: Final = 0.1
_CGROUP: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_UNLIMITED: Final = 1 << 60

Who = Callable[[], str]


class Body:
    """The bytes of a request; whoever takes them has them alone."""

    __slots__ = ("_found",)

    def __init__(self, found: bytes | None) -> None:
        self._found = found

    def __len__(self) -> int:
        """Give how many bytes there are still."""
        return len(self._found or b"")

    def take(self) -> bytes | None:
        """Give the bytes, ``None`` if there are none."""
        found, self._found = self._found, None
        return found


class BodyMemory:
    """Lets bodies be read while there is room for them.

    A body counts as the largest there may be until it is read, but not for long: those
    who send slowly hold nobody up. ``limit`` is the memory that the process may take,
    in bytes, if that is known.
    """

    def __init__(
        self,
        *,
        most: int = MOST_BYTES,
        limit: int | None = None,
        resident: Callable[[], int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._memory = RequestMemory(most)
        self._limit = limit
        self._resident = resident or resident_bytes
        self._clock = clock
        self._looked = -_LOOK_SECONDS
        self._full = False
        self._calls = 0

    def check(self) -> None:
        """Refuse a call while the process is short of memory and has others to do.

        Raises:
            CallError: UNAVAILABLE.
        """
        if self._limit is None or not self._calls:
            return
        now = self._clock()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            self._full = self._resident() > FULL * self._limit
        if self._full:
            raise overloaded("the server is short of memory")

    def read(self, read: Callable[[], Awaitable[Any]], who: Who = str) -> "Held":
        """Read a body once there is room for it, and keep its room: ``async with``.

        ``who`` gives the connection that it comes over: they wait by turns.

        Raises:
            CallError: UNAVAILABLE if no room was made in time, DEADLINE_EXCEEDED if the
                body did not arrive in time.
        """
        return Held(self, read, who)

    async def begin(self, who: Who) -> Share:
        """Wait for the room that a body may take, and count the call."""
        self.check()
        share = self._memory.reserve_now(MAX_MESSAGE_BYTES)
        if share is None:
            asker.set(who())
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    share = await self._memory.reserve(MAX_MESSAGE_BYTES)
            except TimeoutError:
                raise overloaded("the server has too many requests in hand") from None
        self._calls += 1
        return share

    def end(self, share: Share) -> None:
        """Note that a call that had begun is over."""
        self._calls -= 1
        share.give_back()


class Held:
    """The room of one body, from before it is read until the call is over."""

    __slots__ = ("_memory", "_read", "_share", "_who")

    _share: Share

    def __init__(
        self, memory: BodyMemory, read: Callable[[], Awaitable[Any]], who: Who
    ) -> None:
        self._memory = memory
        self._read = read
        self._who = who

    async def __aenter__(self) -> Body:
        """Read the body."""
        self._share = await self._memory.begin(self._who)
        try:
            async with asyncio.timeout(READ_SECONDS):
                found = await self._read()
        except BaseException as error:
            self._memory.end(self._share)
            if isinstance(error, TimeoutError):
                raise _too_slow() from None
            raise
        body = Body(None if found is grpc.aio.EOF else found)
        self._share.settle(len(body))
        return body

    async def __aexit__(self, *_error: object) -> None:
        """Give its room back."""
        self._memory.end(self._share)


def memory_limit() -> int | None:
    """Give the memory limit of the process's control group in bytes, if it has one."""
    for file in _CGROUP:
        try:
            text = file.read_text().strip()
        except OSError:
            continue
        if text.isdecimal() and int(text) < _UNLIMITED:
            return int(text)
    return None


def overloaded(text: str) -> CallError:
    """Give the error of a call that finds no room: it may be tried again."""
    return CallError(
        code=grpc.StatusCode.UNAVAILABLE,
        reason=ErrorReason.ERROR_REASON_OVERLOADED,
        message=f"nothing was accepted: {text}; try again",
        retry_after=RETRY_SECONDS,
    )


def _too_slow() -> CallError:
    return CallError(
        code=grpc.StatusCode.DEADLINE_EXCEEDED,
        reason=ErrorReason.ERROR_REASON_DEADLINE_TOO_SHORT,
        message=f"the request did not arrive within {READ_SECONDS:g} s",
    )
