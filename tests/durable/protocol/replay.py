"""The real consignment of one row, taken step by step from a script.

It stops where it waits: for the outbox or for TikTok's answer. What happened up to
there is played again each time, so that a place in its life is a value to compare.
Times are ticks of half an hour; stamps count from the beginning of the consignment.
"""

import logging
import types
from collections.abc import Generator, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from durable.protocol.clocks import EPOCH, TICK_S, ticks
from tokferry_server.delivery.caps import RequestCaps
from tokferry_server.delivery.durable import Clock, Journal, WorkerConnection
from tokferry_server.delivery.durable.consignment import Consignment, Errand
from tokferry_server.delivery.durable.lane import Admission, Lane
from tokferry_server.delivery.durable.store import Store
from tokferry_server.delivery.outbox.interface import Death, Reschedule, Row
from tokferry_server.delivery.pace import AppPace, Throttle, TokenBucket
from tokferry_server.tiktok.answer import Answer
from tokferry_server.tiktok.events_2 import EVENTS_2
from tokferry_server.tiktok.wire import Route

OLDEST: Final = -400
"""More than seven days ago, by any clock."""

_ROUTE: Final = Route(
    wire_format="events_2", event_source="web", event_source_id="C4MADEUP"
)
_EVENT: Final = b'{"event":"Purchase","event_id":"one","event_time":1}'
_BODY: Final = EVENTS_2.encode_request(_ROUTE, [_EVENT])


class Pending(NamedTuple):
    """A waiting row: when it was stored and since when it may have been taken."""

    created: int
    since: int | None = None

    def before(self, passed: int) -> "Pending":
        """Give the same row as seen so many ticks later.

        When it was stored counts no more once it may have been taken.
        """
        created = max(OLDEST, self.created - passed) if self.since is None else 0
        since = None if self.since is None else max(OLDEST, self.since - passed)
        return Pending(created, since)


class Passed(NamedTuple):
    """So many ticks passed."""

    ticks: int


class Stepped(NamedTuple):
    """The machine's clock was set; it is wrong by so many ticks now."""

    offset: int


class Done(NamedTuple):
    """What was waited for came: an answer, or nothing but the end of a write."""

    answer: Answer | None = None


Happening = Passed | Stepped | Done


class Need(NamedTuple):
    """What a consignment waits for: ``what`` names a write, or is "post"."""

    what: str
    at: int = 0
    row: Pending | None = None
    ambiguous: bool = False

    def before(self, passed: int) -> "Need":
        """Give the same as seen so many ticks later."""
        row = self.row and self.row.before(passed)
        return self._replace(at=max(OLDEST, self.at - passed), row=row)


@types.coroutine
def _wait(need: Need) -> Generator[Need, Any, Any]:
    return (yield need)


class _Outbox:
    """Waits at each write; nobody else holds the row."""

    def __init__(self, row: Pending) -> None:
        self._row = row

    async def sending(self, ids: Sequence[int], at: float) -> None:
        del ids
        await _wait(Need("sending", at=ticks(at)))

    async def settle(self, ids: Sequence[int], now: float) -> None:
        del ids
        await _wait(Need("settle", at=ticks(now)))

    async def reschedule(self, rows: Sequence[Reschedule]) -> None:
        [again] = rows
        since = again.first_ambiguous_at
        row = self._row._replace(since=None if since is None else ticks(since))
        await _wait(Need("reschedule", row=row))

    async def kill(self, rows: Sequence[Death], now: float) -> None:
        del now
        [death] = rows
        doubt = self._row.since is not None or death.first_ambiguous_at is not None
        await _wait(Need("kill", ambiguous=doubt))


class _Poster:
    async def post(self, *given: object, **named: object) -> Answer:
        del named
        assert given[2] == _BODY
        answer = await _wait(Need("post"))
        assert isinstance(answer, Answer)
        return answer


@cache
def next_need(
    row: Pending, lead: int, offset: int, script: tuple[Happening, ...]
) -> Need | None:
    """Give what a consignment waits for after all that happened; ``None``: it ended.

    ``lead``: how far the worker's time is ahead of the true one at the beginning.
    """
    logging.disable()
    passed, wrong = 0, offset
    clock = Clock(
        monotonic=lambda: passed * TICK_S,
        wall=lambda: EPOCH + (passed + wrong) * TICK_S,
        random=lambda: 0.5,
    )
    clock.reach(EPOCH + lead * TICK_S)
    run = _consignment(row, clock).run()
    try:
        need = run.send(None)
        for one in script:
            if isinstance(one, Done):
                need = run.send(one.answer)
                continue
            if isinstance(one, Passed):
                passed += one.ticks
            else:
                wrong = one.offset
            clock.now()  # the worker looks every second
    except StopIteration:
        return None
    run.close()
    assert isinstance(need, Need)
    return need


def _consignment(pending: Pending, clock: Clock) -> Consignment:
    pace = AppPace(
        bucket=TokenBucket(1e9, clock=clock.monotonic),
        throttle=Throttle(clock=clock.monotonic, wall=clock.wall),
    )
    settings = WorkerConnection(poster=_Poster(), token=lambda: "made-up", pace=pace)
    lane = Lane("shop", settings, clock)
    admission = Admission(token="made-up")
    lane.begin(admission)
    store = Store(_Outbox(pending), clock, lambda: False)  # type: ignore[arg-type]
    errand = Errand(
        store=store,
        clock=clock,
        journal=Journal(),
        caps=RequestCaps(clock.monotonic),
        stopping=lambda: False,
    )
    since = None if pending.since is None else EPOCH + pending.since * TICK_S
    row = Row(
        id=1,
        connection="shop",
        route=_ROUTE,
        event="Purchase",
        event_id="one",
        body=_EVENT,
        time_ms=0,
        created=EPOCH + pending.created * TICK_S,
        next_at=EPOCH,
        first_ambiguous_at=since,
    )
    return Consignment(lane, [row], admission, errand)
