"""Answers that TikTok can give: one of each row of the real table."""

from typing import Final

from tokferry_server.tiktok.answer import Answer
from tokferry_server.tiktok.reasons import DeliveryReason
from tokferry_server.tiktok.verdict import BatchAction, Row
from tokferry_server.tiktok.verdicts import TABLE, classify


def _of(row: Row) -> Answer:
    if row.codes:
        return Answer(http_status=200, code=row.codes[0][0])
    if row.failures:
        return Answer(failure=next(iter(row.failures)))
    return Answer(http_status=row.statuses[0][0])


EVERY: Final = (*map(_of, TABLE), Answer(http_status=200, code=77777))


def _kinds() -> list[Answer]:
    """Give an answer of each kind that differs for a lone event."""
    kinds: dict[object, Answer] = {}
    for answer in EVERY:
        verdict = classify(answer)
        again = verdict.batch is BatchAction.RESEND_ONCE and verdict.resend_lone
        waits = verdict.reason is DeliveryReason.THROTTLED or verdict.pause
        kinds.setdefault((verdict.outcome, verdict.certain, again, waits), answer)
    return list(kinds.values())


ANSWERS: Final = _kinds()
