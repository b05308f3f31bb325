"""Finds the events that TikTok refuses a whole request for, so that the rest arrives.

TikTok takes all events of a request or none and names at most the first bad one:
https://business-api.tiktok.com/portal/docs/responses-and-errors/v1.3.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Final, NamedTuple, Protocol

from tokferry_server.delivery.group import Item
from tokferry_server.tiktok.answer import Answer
from tokferry_server.tiktok.reasons import DeliveryReason, Outcome
from tokferry_server.tiktok.verdict import BatchAction, Verdict
from tokferry_server.tiktok.verdicts import classify

MOST_ISOLATION_REQUESTS: Final = 64
"""For one batch; what is still unclear then waits for the next try."""

_CUTS_IN_A_ROW: Final = 6
_SUSPECT_FROM: Final = 50
_SUSPECT_SHARE: Final = 0.9
SUSPECTED: Final = Verdict(
    outcome=Outcome.RETRYABLE,
    reason=DeliveryReason.CONNECTION_SUSPECTED,
    certain=True,
    pause=True,
)
"""The verdict when events fail so alike that their connection must be at fault."""

Ask = Callable[[Sequence[Item]], Awaitable[Answer]]


class Book(Protocol):
    """Where an isolation writes what it finds."""

    def deliver(
        self, items: Sequence[Item], answer: Answer, reason: DeliveryReason | None
    ) -> None:
        """Note that TikTok has taken the events."""

    def reject(self, item: Item, answer: Answer, verdict: Verdict) -> None:
        """Note that TikTok refuses this very event."""

    def postpone(self, items: Sequence[Item], answer: Answer, verdict: Verdict) -> None:
        """Note that the events have to be sent again."""

    def lower_cap(self, most: int) -> None:
        """Note that requests of more than ``most`` events are too large."""


class StoppedError(Exception):
    """No more requests are to be sent now; ``verdict`` holds for all that is left."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


def stopped(reason: DeliveryReason) -> StoppedError:
    """Give the error that ends an isolation for a reason of our own."""
    return StoppedError(Verdict(outcome=Outcome.RETRYABLE, reason=reason, certain=True))


class _Refusal(NamedTuple):
    item: Item
    answer: Answer
    verdict: Verdict


class Isolation:
    """Judges the answer to one request, and sends parts of it until all is clear.

    ``ask`` sends one more request and raises StoppedError when that is not allowed.
    ``trusted``: the connection has delivered lately, so that a few events that fail
    alike do not speak against it.
    """

    def __init__(
        self, items: Sequence[Item], ask: Ask, book: Book, *, trusted: bool = False
    ) -> None:
        self._items = items
        self._ask = ask
        self._book = book
        self._trusted = trusted
        self._noted: set[int] = set()
        self._refused: dict[int, _Refusal] = {}
        self._kinds: set[object] = set()
        self._accepted = 0
        self._names_proved = False
        self._names_lie = False

    async def run(self, answer: Answer) -> None:
        """Write a result, or a wait, for every event of the request into the book."""
        stop: Verdict | None = None
        try:
            await self._judge(self._items, answer)
        except StoppedError as stopped:
            stop = stopped.verdict
        self._conclude(answer, stop)

    async def _judge(
        self, items: Sequence[Item], answer: Answer, *, resent: bool = False
    ) -> bool:
        verdict = classify(answer)
        many = len(items) > 1
        once_more = verdict.batch is BatchAction.RESEND_ONCE and not resent
        if once_more and (many or verdict.resend_lone):
            return await self._resend(items, answer, verdict)
        if verdict.outcome is Outcome.DELIVERED:
            self._book.deliver(items, answer, verdict.reason)
            self._note(items)
            return True
        if verdict.outcome is not Outcome.REJECTED:
            self._book.postpone(items, answer, verdict)
            self._note(items)
            raise StoppedError(replace(verdict, outcome=Outcome.RETRYABLE))
        self._kinds.add(_kind(answer))
        if not many:
            self._refused[items[0].index] = _Refusal(items[0], answer, verdict)
        elif verdict.batch is BatchAction.HALVE:
            self._book.lower_cap(len(items) // 2)
            await self._halves(items, one_is_bad=False)
        else:
            await self._by_name(list(items), answer, verdict)
        return False

    async def _resend(
        self, items: Sequence[Item], answer: Answer, verdict: Verdict
    ) -> bool:
        doubt = replace(verdict, outcome=Outcome.UNKNOWN, certain=False)
        self._book.postpone(items, answer, doubt)
        try:
            second = await self._ask(items)
        except StoppedError:
            self._note(items)
            raise
        return await self._judge(items, second, resent=True)

    async def _probe(self, items: Sequence[Item]) -> bool:
        return await self._count(items, await self._ask(items))

    async def _count(self, items: Sequence[Item], answer: Answer) -> bool:
        accepted = await self._judge(items, answer)
        self._accepted += accepted
        return accepted

    async def _halves(self, items: Sequence[Item], *, one_is_bad: bool) -> None:
        middle = (len(items) + 1) // 2
        first, second = items[:middle], items[middle:]
        if self._refused and not self._accepted:
            first, second = second, first  # bad ones came first: good ones are behind
        first_is_clean = await self._probe(first)
        if one_is_bad and first_is_clean and len(second) > 1:
            await self._halves(second, one_is_bad=True)
        else:
            await self._probe(second)

    async def _by_name(
        self, items: list[Item], answer: Answer, verdict: Verdict
    ) -> None:
        """Cut out the event that is named, resend the rest, as long as names help.

        A place that is named twice running is tested alone, once: either two bad
        events follow each other, or the names are not to be trusted. After some cuts
        that left nothing good, halving finds out sooner whether anything is.
        """
        cut: list[Item] = []
        last = -1
        while (place := self._named(answer, items, last)) is not None:
            if len(cut) >= _CUTS_IN_A_ROW and not self._accepted:
                break
            named = items.pop(place)
            if place == last and not self._names_proved:
                if await self._probe([named]):
                    self._names_lie = True
                    break
                self._names_proved = True
            else:
                self._refused[named.index] = _Refusal(named, answer, verdict)
                cut.append(named)
            last = place
            answer = await self._ask(items)
            verdict = classify(answer)
            if len(items) == 1 or verdict.batch is not BatchAction.ISOLATE:
                await self._count(items, answer)
                return
            self._kinds.add(_kind(answer))
        if self._names_lie:
            for item in cut:
                del self._refused[item.index]
            items = sorted([*items, *cut], key=attrgetter("index"))
        await self._halves(items, one_is_bad=True)

    def _named(self, answer: Answer, items: list[Item], last: int) -> int | None:
        place = answer.index
        if place is None or self._names_lie:
            return None
        if not last <= place < len(items):  # it should be the first bad one
            self._names_lie = True
            return None
        return place

    def _conclude(self, answer: Answer, stop: Verdict | None) -> None:
        if not self._refused and len(self._noted) == len(self._items):
            return
        left = [
            item
            for item in self._items
            if item.index not in self._noted and item.index not in self._refused
        ]
        refused = [refusal.item for refusal in self._refused.values()]
        if self._nothing_but_one_error():
            limit = stop is None or stop.reason is DeliveryReason.ISOLATION_LIMIT
            verdict = SUSPECTED if limit or stop is None else stop
            self._book.postpone([*refused, *left], answer, verdict)
            return
        if self._nearly_all_alike():
            self._book.postpone(refused, answer, SUSPECTED)
        else:
            for refusal in self._refused.values():
                self._book.reject(*refusal)
        if stop is not None:
            self._book.postpone(left, answer, stop)

    def _nothing_but_one_error(self) -> bool:
        few = len(self._items) < (_SUSPECT_FROM if self._trusted else 2)
        return not few and not self._accepted and len(self._kinds) == 1

    def _nearly_all_alike(self) -> bool:
        kinds = Counter(_kind(refusal.answer) for refusal in self._refused.values())
        most = max(kinds.values(), default=0)
        total = len(self._items)
        return total >= _SUSPECT_FROM and most >= _SUSPECT_SHARE * total

    def _note(self, items: Sequence[Item]) -> None:
        self._noted.update(item.index for item in items)


def _kind(answer: Answer) -> object:
    return answer.code or (answer.http_status, answer.failure)
