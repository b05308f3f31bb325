"""How fast one developer app may send; SYNC and DURABLE share one pace.

TikTok counts requests by app: https://business-api.tiktok.com/portal/docs/rate-limits/v1.3
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from tokferry_server.delivery.poster import Poster
from tokferry_server.tiktok.answer import Answer
from tokferry_server.tiktok.reasons import DeliveryReason
from tokferry_server.tiktok.verdicts import classify

_BURST_S: Final = 0.1
_SHORT_WAITS_S: Final = (1.0, 2.0, 4.0)
_MINUTE_LIMIT_S: Final = 300.0
_MINUTE_WAITS: Final = 3
_DAY_S: Final = 86_400.0
_TOO_MANY_REQUESTS: Final = 429

Seconds = Callable[[], float]


class TokenBucket:
    """Lets ``rate`` requests a second through, in the order in which they ask.

    A tenth of a second's worth may go at once; an infinite rate lets all through.
    ``clock`` gives seconds that never go back.
    """

    def __init__(
        self,
        rate: float,
        *,
        clock: Seconds = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        if not rate > 0:
            raise ValueError("rate: must be more than 0 requests a second")
        self._interval = 1 / rate
        self._ahead = max(0.0, _BURST_S - self._interval)
        self._clock = clock
        self._sleep = sleep
        self._next = clock()

    async def take(self, patience: float | None = None) -> bool:
        """Wait for a turn; false, at once, if it comes later than ``patience``."""
        now = self._clock()
        wait = self._next - self._ahead - now
        if patience is not None and wait > patience:
            return False
        self._next = max(self._next, now) + self._interval
        if wait > 0:
            await self._sleep(wait)
        return True


@dataclass(slots=True)
class Throttle:
    """How long an app that TikTok has throttled must wait.

    Waits are what TikTok asks for, else 1, 2 and 4 seconds; then three times the five
    minutes of its minute limit, then until 00:00 UTC, when its day limit ends. All
    answers to requests that were under way at the time count as one. ``clock`` gives
    seconds that never go back, ``wall`` Unix seconds.
    """

    clock: Seconds = time.monotonic
    wall: Seconds = time.time
    rung: int = 0
    _until: float = -math.inf
    _struck: float = -math.inf

    def remaining(self) -> float:
        """Give the seconds until requests may go again, 0 if they may."""
        return max(0.0, self._until - self.clock())

    def throttled(self, started: float, retry_after: float | None) -> None:
        """Note a refusal; ``started`` is when its request was sent."""
        now = self.clock()
        if started < self._struck:
            self._until = max(self._until, now + (retry_after or 0.0))
            return
        self._struck = now
        self._until = now + self._wait(retry_after)

    def passed(self, started: float) -> None:
        """Note an answer that is no refusal."""
        if started >= max(self._struck, self._until):
            self.rung = 0

    def _wait(self, retry_after: float | None) -> float:
        rung, self.rung = self.rung, self.rung + 1
        if rung < len(_SHORT_WAITS_S):
            return _SHORT_WAITS_S[rung] if retry_after is None else retry_after
        if rung < len(_SHORT_WAITS_S) + _MINUTE_WAITS:
            return max(_MINUTE_LIMIT_S, retry_after or 0.0)
        self.rung = 0  # a new day, a new limit
        return max(_DAY_S - self.wall() % _DAY_S, retry_after or 0.0)


@dataclass(slots=True, kw_only=True)
class AppPace:
    """The pace of one developer app: its rate, and its waits when it is throttled.

    ``busy`` counts the deliveries that are under way.
    """

    bucket: TokenBucket
    throttle: Throttle = field(default_factory=Throttle)
    busy: int = 0

    def admits(self) -> bool:
        """Say whether one more delivery may begin; after a wait it is one at a time."""
        if self.throttle.remaining():
            return False
        return not (self.throttle.rung and self.busy)

    def note(self, answer: Answer, started: float) -> None:
        """Learn from an answer; ``started`` is when its request was sent."""
        if classify(answer).reason is DeliveryReason.THROTTLED:
            self.throttle.throttled(started, answer.retry_after)
        elif answer.failure is None:
            self.throttle.passed(started)


class PacedPoster:
    """A poster that keeps to the pace of its app.

    What cannot be sent soon enough is answered at once as if TikTok throttled it.
    """

    def __init__(self, poster: Poster, pace: AppPace) -> None:
        self._poster = poster
        self._pace = pace

    async def post(  # noqa: PLR0913  see Transport.post
        self,
        path: str,
        token: str,
        body: bytes,
        *,
        key: str,
        resend: int = 0,
        patience: float | None = None,
    ) -> Answer:
        """Post one request in its turn; see Transport.post."""
        clock = self._pace.throttle.clock
        asked = clock()
        if wait := self._pace.throttle.remaining():
            return Answer(http_status=_TOO_MANY_REQUESTS, retry_after=wait)
        if not await self._pace.bucket.take(patience):
            return Answer(http_status=_TOO_MANY_REQUESTS, retry_after=patience)
        started = clock()
        answer = await self._poster.post(
            path,
            token,
            body,
            key=key,
            resend=resend,
            patience=None if patience is None else max(0.0, patience + asked - started),
        )
        self._pace.note(answer, started)
        return answer
