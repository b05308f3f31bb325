"""From what was found out about rows to what the outbox is to do with them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from tokferry_server.delivery.durable.findings import Findings
from tokferry_server.delivery.durable.limits import backoff, gave_out
from tokferry_server.delivery.outbox.interface import Death, Reschedule, Row
from tokferry_server.delivery.result import MESSAGES
from tokferry_server.tiktok.answer import Answer
from tokferry_server.tiktok.reasons import DeliveryReason
from tokferry_server.tiktok.verdict import Verdict

_NO_TRY: Final = frozenset(
    {
        DeliveryReason.THROTTLED,
        DeliveryReason.CONNECTION_AUTH,
        DeliveryReason.CONNECTION_CONFIG,
        DeliveryReason.SHUTTING_DOWN,
    }
)
"""No fault of the events: they are due again as soon as their connection may send."""

_LAST_WORDS: Final = {
    DeliveryReason.EXPIRED: (
        "TikTok could not be reached for seven days; replay the event."
    ),
    DeliveryReason.AMBIGUOUS_EXPIRED: (
        "TikTok may have taken the event, and for 47 hours did not confirm it; look it"
        " up before it is replayed, since it may be counted twice."
    ),
    DeliveryReason.TOO_OLD: (
        "The event became older than max_event_age while it waited; raise it to replay"
        " the event."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The time of a judgement, in Unix seconds, and a random number in [0, 1).

    ``now`` never runs slow, ``wall`` is the system's time, ``sent_at`` that before the
    first request. ``waited`` gives how long a row had to wait since it was due.
    """

    now: float
    wall: float
    sent_at: float
    drawn: float
    waited: Callable[[Row], float]


@dataclass(frozen=True, slots=True)
class Fates:
    """What the outbox is to do with rows that were not delivered."""

    again: list[Reschedule] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)


def expiry(row: Row, reason: DeliveryReason) -> Death:
    """Give up a row whose time is over."""
    text = _LAST_WORDS[reason]
    return Death(id=row.id, reason=reason, code=row.last_code, message=text)


def judge(rows: Sequence[Row], findings: Findings, moment: Moment) -> Fates:
    """Decide about every row that TikTok refused, or that has to be sent again."""
    fates = Fates()
    for index, (answer, verdict) in findings.refused.items():
        since = moment.sent_at if index in findings.doubtful else None
        fates.deaths.append(_refusal(rows[index], answer, verdict, since))
    for index, (answer, verdict) in findings.setbacks.items():
        row, doubtful = rows[index], index in findings.doubtful
        since = row.first_ambiguous_at
        again = Reschedule(
            id=row.id,
            next_at=moment.now + _pause(row, answer, verdict, moment),
            attempts=row.attempts + (verdict.reason not in _NO_TRY),
            first_ambiguous_at=moment.sent_at if doubtful and since is None else since,
            waited=moment.waited(row),
            last_code=answer.code,
        )
        if again.first_ambiguous_at is None and _gave_out(row, again, verdict, moment):
            death = expiry(row, DeliveryReason.EXPIRED)
            fates.deaths.append(replace(death, attempts=again.attempts))
        else:
            fates.again.append(again)
    return fates


def _gave_out(row: Row, again: Reschedule, verdict: Verdict, moment: Moment) -> bool:
    if verdict.reason in _NO_TRY or verdict.pause:
        return False
    return gave_out(row, wall=moment.wall, waited=row.waited + again.waited)


def _pause(row: Row, answer: Answer, verdict: Verdict, moment: Moment) -> float:
    if verdict.reason in _NO_TRY:
        return 0.0
    pause = backoff(row.attempts, moment.drawn, least=verdict.minimum_wait)
    return max(pause, answer.retry_after or 0.0)


def _refusal(row: Row, answer: Answer, verdict: Verdict, since: float | None) -> Death:
    reason = verdict.reason or DeliveryReason.UNMAPPED_CODE
    return Death(
        id=row.id,
        reason=reason,
        code=answer.code,
        message=MESSAGES[reason],
        field=answer.field,
        request_id=answer.request_id,
        attempts=row.attempts + 1,
        first_ambiguous_at=since,
        http_status=answer.http_status,
    )
