"""Rows that share a request, on their way from the outbox to TikTok and back."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tokferry_server.delivery.caps import RequestCaps
from tokferry_server.delivery.durable.clock import Clock
from tokferry_server.delivery.durable.fates import Moment, expiry, judge
from tokferry_server.delivery.durable.findings import Findings
from tokferry_server.delivery.durable.journal import Journal
from tokferry_server.delivery.durable.lane import Admission, Lane
from tokferry_server.delivery.durable.limits import spent
from tokferry_server.delivery.durable.store import Store
from tokferry_server.delivery.failpoints import failpoint
from tokferry_server.delivery.group import WIRE_FORMATS, Item
from tokferry_server.delivery.isolate import (
    MOST_ISOLATION_REQUESTS,
    Isolation,
    stopped,
)
from tokferry_server.delivery.outbox.doubt import DOUBT_SECONDS
from tokferry_server.delivery.outbox.interface import Death, OutboxError, Row
from tokferry_server.delivery.span import links_of_request
from tokferry_server.delivery.trace_context import links_to
from tokferry_server.tiktok.answer import Answer, Failure
from tokferry_server.tiktok.reasons import DeliveryReason, Outcome
from tokferry_server.tiktok.verdict import Verdict

_INTERNAL: Final = Verdict(outcome=Outcome.UNKNOWN, reason=DeliveryReason.INTERNAL)
_log = logging.getLogger(__name__)
_before_post = failpoint("delivery.before_post")
_after_post = failpoint("delivery.after_post")
_in_isolation = failpoint("delivery.in_isolation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What every consignment of a worker works with."""

    store: Store
    clock: Clock
    journal: Journal
    caps: RequestCaps
    stopping: Callable[[], bool]


class Consignment:
    """One chunk of rows of one route; ``run`` gives each back to the outbox."""

    def __init__(
        self, lane: Lane, rows: Sequence[Row], admission: Admission, errand: Errand
    ) -> None:
        self._lane = lane
        self._rows = list(rows)
        self._admission = admission
        self._errand = errand
        self._sent_at = 0.0
        self._last_send = 0.0
        self._isolations = 0
        self._findings: Findings

    async def run(self) -> None:
        """Deliver the rows, or return them to the lane if it may not send now.

        Raises:
            OutboxError: the outbox could not be written; see Store.
        """
        pace = self._lane.settings.pace
        await pace.bucket.take()
        if pace.throttle.remaining() or self._errand.stopping():
            self._lane.chunks.appendleft(self._rows)
            return
        await self._prepare()
        if self._rows:
            await self._deliver()

    async def _prepare(self) -> None:
        errand = self._errand
        errand.journal.keep(errand.clock)  # else a clock just set would go unnoticed
        self._sent_at = errand.clock.now()
        unmarked = [row.id for row in self._rows if row.first_ambiguous_at is None]
        await errand.store.sending(unmarked, self._sent_at)
        while deaths := self._spent():
            await errand.store.kill(self._lane, deaths)

    def _spent(self) -> list[Death]:
        clock, age = self._errand.clock, self._lane.settings.max_event_age
        now, wall = clock.now(), clock.wall()
        reasons = [
            spent(row, now=now, wall=wall, max_event_age=age) for row in self._rows
        ]
        if not any(reasons):
            return []
        judged = list(zip(self._rows, reasons, strict=True))
        self._rows = [row for row, reason in judged if reason is None]
        return [expiry(row, reason) for row, reason in judged if reason is not None]

    async def _deliver(self) -> None:
        lane, rows, route = self._lane, self._rows, self._rows[0].route
        caps = self._errand.caps
        self._findings = Findings(
            lane,
            self._admission,
            rows,
            lambda most: caps.lower(lane.name, route, most),
        )
        since = (row.first_ambiguous_at for row in rows)
        doubtful = (self._sent_at if one is None else one for one in since)
        self._last_send = DOUBT_SECONDS + min(doubtful)
        items = [Item(index=index, body=row.body) for index, row in enumerate(rows)]
        try:
            answer = await self._post(items)
            isolation = Isolation(
                items, self._ask, self._findings, trusted=lane.trusted
            )
            await isolation.run(answer)
        except OutboxError:
            raise
        except Exception as error:  # noqa: BLE001  one bad chunk must not stop the rest
            self._abandon(error)
        await self._conclude()

    async def _ask(self, items: Sequence[Item]) -> Answer:
        self._check_going_on()
        _in_isolation()
        await self._settle()
        await self._lane.settings.pace.bucket.take()
        self._check_going_on()
        self._isolations += 1
        return await self._post(items)

    def _check_going_on(self) -> None:
        if self._errand.stopping():
            raise stopped(DeliveryReason.SHUTTING_DOWN)
        if self._lane.settings.pace.throttle.remaining():
            raise stopped(DeliveryReason.THROTTLED)
        too_late = self._errand.clock.now() >= self._last_send
        if too_late or self._isolations >= MOST_ISOLATION_REQUESTS:
            raise stopped(DeliveryReason.ISOLATION_LIMIT)

    async def _post(self, items: Sequence[Item]) -> Answer:
        route, clock = self._rows[0].route, self._errand.clock
        wire = WIRE_FORMATS[route.wire_format]
        body = wire.encode_request(route, [item.body for item in items])
        self._lane.renew(self._admission)
        _before_post()
        started = clock.monotonic()
        # For this task's context alone, and it sends nothing else meanwhile.
        accepted = links_to(self._rows[item.index].trace for item in items)
        links_of_request.set(accepted)
        try:
            answer = await self._lane.settings.poster.post(
                wire.path(len(items)),
                self._admission.token,
                body,
                key=self._lane.name,
                resend=self._rows[items[0].index].attempts,
            )
        except Exception as error:  # noqa: BLE001  it may have been taken all the same
            _log.error("a request failed with %s", type(error).__name__)
            answer = Answer(failure=Failure.OTHER)
        _after_post()
        self._lane.observe(self._admission, answer, started)
        return answer

    async def _settle(self) -> None:
        delivered = self._findings.delivered
        self._findings.delivered = []
        await self._errand.store.settle(self._lane, delivered)

    def _abandon(self, error: Exception) -> None:
        _log.error("a delivery failed with %s", type(error).__name__)
        found = self._findings
        judged = found.done | found.refused.keys() | found.setbacks.keys()
        for index in set(range(len(self._rows))) - judged:
            found.setbacks[index] = (Answer(), _INTERNAL)
            found.doubtful.add(index)

    async def _conclude(self) -> None:
        lane, store = self._lane, self._errand.store
        clock, journal = self._errand.clock, self._errand.journal
        await self._settle()
        now = clock.now()
        moment = Moment(
            now=now,
            wall=clock.wall(),
            sent_at=self._sent_at,
            drawn=clock.random(),
            waited=lambda row: journal.waited(lane.name, row.next_at, now),
        )
        fates = judge(self._rows, self._findings, moment)
        await store.reschedule(lane, fates.again)
        await store.kill(lane, fates.deaths)
