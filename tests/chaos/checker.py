"""Proves from a history that nothing was lost, invented, changed or counted twice."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chaos.events import own_id
from chaos.history import (
    Answered,
    Call,
    End,
    Fail,
    Invoke,
    Kept,
    Ok,
    Post,
    Seen,
    Unknown,
    read_calls,
    read_kept,
    read_posts,
)
from tokferry.v1 import Outcome

WINDOW_S: Final = 48 * 3600.0
"""How long TikTok drops copies: https://ads.tiktok.com/help/article/event-deduplication"""

_STORED: Final = (Outcome.OUTCOME_ACCEPTED, Outcome.OUTCOME_DELIVERED)
_NAMES: Final[dict[int, str]] = {
    int(value): name.removeprefix("OUTCOME_").lower() for name, value in Outcome.items()
}
_MOST_SHOWN: Final = 5


@dataclass(slots=True)
class Findings:
    """What a history shows. ``problems`` is empty when every promise was kept."""

    submitted: set[int] = field(default_factory=set)
    acked: set[int] = field(default_factory=set)
    taken: set[int] = field(default_factory=set)
    dead: set[int] = field(default_factory=set)
    pending: set[int] = field(default_factory=set)
    requests: int = 0
    copies: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    lost: set[int] = field(default_factory=set)
    changed: set[int] = field(default_factory=set)
    counted_twice: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Replies:
    """The caller's side, call by call: every chunk ends at most once."""

    open: dict[tuple[int, int], Invoke] = field(default_factory=dict)
    streams: dict[int, Counter[str]] = field(default_factory=dict)
    ids: dict[int, str] = field(default_factory=dict)


def check(folder: Path) -> Findings:
    """Read the history in a folder and judge it."""
    return judge(read_calls(folder), read_posts(folder), read_kept(folder))


def judge(calls: Iterable[Call], posts: Iterable[Post], kept: Kept) -> Findings:
    """Judge the three sides of one run against each other."""
    found = Findings()
    replies = _Replies()
    for call in calls:
        _read_call(call, replies, found)
    sights = _Sights(found)
    for post in posts:
        _read_post(post, sights, found)
    for seen in kept.pending:
        found.pending.add(seen.number)
        sights.same(seen)
    for seen in kept.dead:
        found.dead.add(seen.number)
        sights.same(seen)
    found.changed = sights.changed
    found.lost = found.acked - found.taken - found.dead - found.pending
    invented = (found.taken | found.dead | found.pending) - found.submitted
    other = {
        number
        for number, event_id in replies.ids.items()
        if sights.ids.get(number, event_id) != event_id
    }
    _complain(found, "acked, and neither delivered nor kept", found.lost)
    _complain(found, "never submitted", invented)
    _complain(found, "more than one id or payload", found.changed)
    _complain(found, "acked under another id than sent", other)
    _complain(found, "counted twice", found.counted_twice)
    return found


class _Sights:
    """The one id and the one payload that each event may show."""

    def __init__(self, found: Findings) -> None:
        self.ids: dict[int, str] = {}
        self.changed: set[int] = set()
        self.counted: dict[tuple[str, str], float] = {}
        self._digests: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._found = found

    def same(self, seen: Seen) -> None:
        number = seen.number
        same = (
            self.ids.setdefault(number, seen.event_id) == seen.event_id
            and self._digests.setdefault(number, seen.digest) == seen.digest
            and self._numbers.setdefault(seen.event_id, number) == number
            and own_id(number) in (None, seen.event_id)
        )
        if not same:
            self.changed.add(number)

    def count(self, seen: Seen, at: float) -> None:
        key = (seen.event, seen.event_id)
        if key not in self.counted:
            self.counted[key] = at
            return
        self._found.copies += 1
        if at - self.counted[key] >= WINDOW_S:
            self._found.counted_twice.add(seen.event_id)


def _read_post(post: Post, sights: _Sights, found: Findings) -> None:
    found.requests += 1
    found.faults[post.fault] += 1
    for seen in post.events:
        sights.same(seen)
        if post.taken:
            sights.count(seen, post.at)
            found.taken.add(seen.number)


def _read_call(call: Call, replies: _Replies, found: Findings) -> None:
    match call:
        case Invoke():
            found.submitted.update(range(call.first, call.first + call.count))
            key = (call.stream, call.sequence)
            if key in replies.open:
                found.problems.append(f"chunk {key} was invoked twice")
            replies.open[key] = call
        case Ok():
            _read_ok(call, replies, found)
        case Fail() | Unknown():
            if replies.open.pop((call.stream, call.sequence), None) is None:
                found.problems.append(f"no chunk was open for {call}")
        case End():
            _read_end(call, replies, found)


def _read_ok(call: Ok, replies: _Replies, found: Findings) -> None:
    where = f"chunk {call.sequence} of stream {call.stream}"
    asked = replies.open.pop((call.stream, call.sequence), None)
    if asked is None:
        found.problems.append(f"{where} was answered twice, or never sent")
        return
    if len(call.results) != asked.count:
        found.problems.append(f"{where}: {len(call.results)} for {asked.count} events")
        return
    outcomes = Counter(_NAMES[result.outcome] for result in call.results)
    totals = Counter({name: n for name, n in call.totals.items() if n})
    if totals.pop("received", 0) != asked.count or totals != outcomes:
        found.problems.append(f"{where}: totals {call.totals} for {dict(outcomes)}")
    replies.streams.setdefault(call.stream, Counter()).update(call.totals)
    for number, result in enumerate(call.results, asked.first):
        if not _stored(result):
            continue
        found.acked.add(number)
        if replies.ids.setdefault(number, result.event_id) != result.event_id:
            found.problems.append(f"event {number} was acked under two ids")


def _stored(result: Answered) -> bool:
    """Whether the reply says that the event is, or was, in the outbox."""
    dead = result.outcome == Outcome.OUTCOME_REJECTED and result.duplicate
    return dead or result.outcome in _STORED


def _read_end(call: End, replies: _Replies, found: Findings) -> None:
    summed = {n: v for n, v in replies.streams.get(call.stream, {}).items() if v}
    if summed != {name: value for name, value in call.totals.items() if value}:
        found.problems.append(f"stream {call.stream}: {call.totals} for {summed}")


def _complain(
    found: Findings, text: str, what: Collection[int] | Collection[str]
) -> None:
    if what:
        shown = ", ".join(sorted(str(one) for one in what)[:_MOST_SHOWN])
        found.problems.append(f"{len(what)} events {text}: {shown}")
