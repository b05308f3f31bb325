"""How much a caller may ask for: events a second, and streams at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import grpc

from tokferry.v1 import ErrorReason
from tokferry_server.rpc.errors import CallError, Violation

STREAM_RETRY_SECONDS = 5.0


class Quota:
    """What one caller has left.

    Events are charged once they are counted, so a call can leave a debt; until it is
    paid off at ``events_per_second``, calls are refused before their body is read and
    streams held back. What is unused is kept for a second. None means no limit.
    """

    def __init__(
        self,
        subject: str,
        *,
        events_per_second: float | None = None,
        streams: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._subject = subject
        self._rate = events_per_second
        self._most_streams = streams
        self._clock = clock
        self._sleep = sleep
        self._streams = 0
        self._left = events_per_second or 0.0
        self._at = clock()

    def check(self) -> None:
        """Refuse a call while there is a debt.

        Raises:
            CallError: RESOURCE_EXHAUSTED, with the time until it is paid off.
        """
        debt = self._debt()
        if debt > 0:
            raise self._exceeded(f"more than {self._rate:g} events a second", debt)

    def charge(self, events: int) -> None:
        """Note that the caller sent so many events."""
        self._left -= events

    async def paid(self) -> None:
        """Wait until there is no debt."""
        while (debt := self._debt()) > 0:
            await self._sleep(debt)

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Count a stream while it is open.

        Raises:
            CallError: RESOURCE_EXHAUSTED if as many are open as may be.
        """
        if self._most_streams is not None and self._streams >= self._most_streams:
            text = f"more than {self._most_streams} streams at once"
            raise self._exceeded(text, STREAM_RETRY_SECONDS)
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    def _debt(self) -> float:
        """Give the seconds until the debt is paid off; 0 without one."""
        if self._rate is None:
            return 0.0
        now = self._clock()
        self._left = min(self._rate, self._left + (now - self._at) * self._rate)
        self._at = now
        return max(0.0, -self._left / self._rate)

    def _exceeded(self, what: str, wait: float) -> CallError:
        return CallError(
            code=grpc.StatusCode.RESOURCE_EXHAUSTED,
            reason=ErrorReason.ERROR_REASON_QUOTA_EXCEEDED,
            message=f"nothing was accepted: {what}",
            quota=Violation(f"principal:{self._subject}", what),
            retry_after=wait,
        )
