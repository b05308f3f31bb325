"""Delivers the events of one group while the caller waits: tries, waits, tries again.

At most two tries follow the first. An event that may have been taken by any try stays
UNKNOWN until TikTok takes it, or refuses this very event: a request that held it then
cannot have been taken before.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from msgspec.structs import replace

from tokferry_server.delivery.group import Group, Item, pack
from tokferry_server.delivery.isolate import (
    MOST_ISOLATION_REQUESTS,
    Isolation,
    stopped,
)
from tokferry_server.delivery.result import DeliveryResult, make_result
from tokferry_server.tiktok.answer import Answer
from tokferry_server.tiktok.reasons import DeliveryReason, Outcome
from tokferry_server.tiktok.verdict import Verdict

_TRIES: Final = 3
_LEAST_TRY_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 60.0
_BACKOFF_CAP_S: Final = 300.0
_FINAL: Final = frozenset(
    {
        DeliveryReason.CONNECTION_SUSPECTED,
        DeliveryReason.ISOLATION_LIMIT,
        DeliveryReason.DEADLINE,
    }
)


class Post(Protocol):
    """Sends events as one request."""

    async def __call__(
        self, items: Sequence[Item], *, resend: int, patience: float | None
    ) -> Answer:
        """Give the answer; never raises for a failure of the network."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """Clock, sleep and randomness, so that tests can bring their own.

    ``clock`` gives seconds that never go back; ``random`` a number in [0, 1).
    """

    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[object]]
    random: Callable[[], float]


@dataclass(slots=True, kw_only=True)
class Shipment:
    """The events of one group on their way. ``deadline`` is on the clock of ``time``.

    ``cap`` reads the event limit of the connection, ``lower_cap`` lowers it.
    """

    group: Group
    post: Post
    time: Time
    deadline: float | None
    cap: Callable[[], int]
    lower_cap: Callable[[int], None]
    _tries: int = 0
    _isolations: int = 0
    _setbacks: list[tuple[Answer, Verdict]] = field(default_factory=list)

    async def run(self) -> None:
        """Give every item of the group its result; NOT_SENT if there is no time."""
        waiting = self.group.items
        while waiting and self._tries < _TRIES:
            pause = self._pause()
            if not self._fits(pause):
                break
            if pause:
                await self.time.sleep(pause)
            self._tries += 1
            self._setbacks.clear()
            for chunk in self._requests(waiting):
                await self._try(chunk)
            waiting = [item for item in waiting if item.waiting]

    def _requests(self, waiting: list[Item]) -> list[list[Item]]:
        if self._tries == 1:  # the group was packed for one
            return [waiting]
        return pack(self.group.route, waiting, self.cap())

    async def _try(self, chunk: Sequence[Item]) -> None:
        answer = await self._send(chunk)
        await Isolation(chunk, self._ask, self).run(answer)

    async def _ask(self, items: Sequence[Item]) -> Answer:
        if self._isolations >= MOST_ISOLATION_REQUESTS:
            raise stopped(DeliveryReason.ISOLATION_LIMIT)
        if not self._fits(0.0):
            raise stopped(DeliveryReason.DEADLINE)
        self._isolations += 1
        return await self._send(items)

    async def _send(self, items: Sequence[Item]) -> Answer:
        patience = None
        if self.deadline is not None:
            patience = max(0.0, self.deadline - self.time.clock())
        return await self.post(items, resend=self._tries - 1, patience=patience)

    def _pause(self) -> float:
        return max((self._backoff(*setback) for setback in self._setbacks), default=0.0)

    def _backoff(self, answer: Answer, verdict: Verdict) -> float:
        ceiling = min(_BACKOFF_CAP_S, 2.0 ** (self._tries - 1))
        if verdict.reason is DeliveryReason.THROTTLED:
            return ceiling if answer.retry_after is None else answer.retry_after
        pause = max(verdict.minimum_wait, self.time.random() * ceiling)
        return max(pause, answer.retry_after or 0.0)

    def _fits(self, pause: float) -> bool:
        if self.deadline is None:
            return pause <= _LONGEST_PAUSE_S
        return self.time.clock() + pause + _LEAST_TRY_S <= self.deadline

    def deliver(
        self, items: Sequence[Item], answer: Answer, reason: DeliveryReason | None
    ) -> None:
        """Note that TikTok has taken the events."""
        result = make_result(Outcome.DELIVERED, reason, answer, attempts=self._tries)
        _settle(items, result)

    def reject(self, item: Item, answer: Answer, verdict: Verdict) -> None:
        """Note that TikTok refuses this very event."""
        result = make_result(
            Outcome.REJECTED,
            verdict.reason,
            answer,
            attempts=self._tries,
            field=answer.field,
        )
        _settle([item], result)

    def postpone(self, items: Sequence[Item], answer: Answer, verdict: Verdict) -> None:
        """Note that the events have to be sent again: now, if that can help."""
        if not items:
            return
        result = make_result(
            verdict.outcome, verdict.reason, answer, attempts=self._tries
        )
        again = not verdict.pause and verdict.reason not in _FINAL
        if again:
            self._setbacks.append((answer, verdict))
        for item in items:
            item.waiting = again
            if verdict.outcome is Outcome.UNKNOWN:
                item.doubt = result
            item.result = _with_doubt(result, item.doubt)


def _with_doubt(result: DeliveryResult, doubt: DeliveryResult | None) -> DeliveryResult:
    if doubt is None or doubt is result:
        return result
    return replace(doubt, attempts=result.attempts)


def _settle(items: Sequence[Item], result: DeliveryResult) -> None:
    for item in items:
        item.result = result
        item.waiting = False
