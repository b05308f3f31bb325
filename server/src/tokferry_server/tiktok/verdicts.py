"""From TikTok's answer to what it means, as one table: the first row that fits counts.

The body's code decides; the HTTP status only where there is no code, as the same code
comes under several statuses. Success needs both a 2xx status and its code.
https://business-api.tiktok.com/portal/docs/responses-and-errors/v1.3
"""

from dataclasses import replace
from functools import lru_cache
from typing import Final

from tokferry_server.tiktok.answer import Answer, Failure
from tokferry_server.tiktok.reasons import DeliveryReason, Outcome
from tokferry_server.tiktok.verdict import BatchAction, Row, Verdict, ranges

_OK = 200

_BAD_EVENT: Final = Verdict(
    outcome=Outcome.REJECTED,
    reason=DeliveryReason.INVALID_EVENT,
    batch=BatchAction.ISOLATE,
    certain=True,
)
_ILL: Final = Verdict(
    outcome=Outcome.UNKNOWN,
    reason=DeliveryReason.SERVER_ERROR,
    backpressure=True,
    breaker=True,
)

SUCCESS_CODES: Final = frozenset({0, 20001})

TABLE: Final = (
    Row(
        name="accepted",
        codes=ranges("0"),
        verdict=Verdict(outcome=Outcome.DELIVERED),
    ),
    Row(
        name="partial success",
        codes=ranges("20001"),
        verdict=Verdict(
            outcome=Outcome.DELIVERED,
            reason=DeliveryReason.PARTIAL_SUCCESS,
            batch=BatchAction.RESEND_ONCE,
        ),
    ),
    Row(
        name="invalid event",
        codes=ranges("40000 40002 40051 40063 40700"),
        statuses=ranges("400 422"),
        verdict=_BAD_EVENT,
    ),
    Row(
        name="identifier not hashed",
        codes=ranges("40062"),
        verdict=replace(_BAD_EVENT, reason=DeliveryReason.IDENTIFIER_NOT_HASHED),
    ),
    Row(
        name="too large",
        codes=ranges("40061"),
        statuses=ranges("413"),
        verdict=replace(
            _BAD_EVENT, reason=DeliveryReason.TOO_LARGE, batch=BatchAction.HALVE
        ),
    ),
    Row(
        name="duplicated request",
        codes=ranges("40050"),
        verdict=Verdict(
            outcome=Outcome.DELIVERED,
            reason=DeliveryReason.ALREADY_DELIVERED,
            batch=BatchAction.RESEND_ONCE,
            resend_lone=True,
        ),
    ),
    Row(
        name="not authorised",
        codes=ranges(
            "40001 40003 40101-40119 40124 40125 40130 40131 40300-40302 40309"
        ),
        statuses=ranges("401 403"),
        verdict=Verdict(
            outcome=Outcome.RETRYABLE,
            reason=DeliveryReason.CONNECTION_AUTH,
            certain=True,
            pause=True,
        ),
    ),
    Row(
        name="wrong address",
        codes=ranges("40006-40010 40400 41000 41001"),
        statuses=ranges("300-399 404 405 410"),
        failures=(Failure.CERTIFICATE, Failure.FORBIDDEN_ADDRESS),
        verdict=Verdict(
            outcome=Outcome.RETRYABLE,
            reason=DeliveryReason.CONNECTION_CONFIG,
            certain=True,
            pause=True,
        ),
    ),
    Row(
        name="throttled",
        codes=ranges("40016 40100 40132 40133 61000"),
        statuses=ranges("429"),
        verdict=Verdict(
            outcome=Outcome.RETRYABLE,
            reason=DeliveryReason.THROTTLED,
            certain=True,
            backpressure=True,
        ),
    ),
    Row(
        name="conflict",
        codes=ranges("40200-40202"),
        verdict=Verdict(
            outcome=Outcome.RETRYABLE, reason=DeliveryReason.CONFLICT, certain=True
        ),
    ),
    Row(
        name="maintenance",
        codes=ranges("60001"),
        statuses=ranges("503"),
        verdict=Verdict(
            outcome=Outcome.UNKNOWN,
            reason=DeliveryReason.MAINTENANCE,
            breaker=True,
            minimum_wait=30.0,
        ),
    ),
    Row(
        name="server error",
        codes=ranges("50000 50002 51000-53999"),
        statuses=ranges("408 425 500-599"),
        verdict=_ILL,
    ),
    Row(
        name="unreadable answer",
        statuses=ranges("200-299"),
        failures=(Failure.TRUNCATED,),
        verdict=Verdict(
            outcome=Outcome.UNKNOWN,
            reason=DeliveryReason.UNREADABLE_ANSWER,
            breaker=True,
        ),
    ),
    Row(
        name="no connection",
        failures=(
            Failure.DNS,
            Failure.CONNECT,
            Failure.TLS,
            Failure.POOL,
            Failure.LOCAL_PROTOCOL,
        ),
        verdict=Verdict(
            outcome=Outcome.RETRYABLE,
            reason=DeliveryReason.CONNECT_FAILED,
            certain=True,
            breaker=True,
        ),
    ),
    Row(
        name="queue full",
        failures=(Failure.QUEUE,),
        verdict=Verdict(
            outcome=Outcome.RETRYABLE, reason=DeliveryReason.QUEUE_FULL, certain=True
        ),
    ),
    Row(
        name="no answer in time",
        failures=(Failure.READ_TIMEOUT,),
        verdict=replace(_ILL, reason=DeliveryReason.TIMEOUT),
    ),
    Row(
        name="connection lost",
        failures=(Failure.WRITE, Failure.RESET, Failure.OTHER),
        verdict=replace(_ILL, reason=DeliveryReason.CONNECTION_LOST),
    ),
    Row(
        name="unmapped refusal",
        codes=ranges("40000-49999"),
        verdict=replace(_BAD_EVENT, reason=DeliveryReason.UNMAPPED_CODE),
    ),
)

UNMAPPED: Final = Verdict(outcome=Outcome.UNKNOWN, reason=DeliveryReason.UNMAPPED_CODE)
CONTRADICTION: Final = Verdict(
    outcome=Outcome.UNKNOWN, reason=DeliveryReason.UNREADABLE_ANSWER, breaker=True
)


def classify(answer: Answer) -> Verdict:
    """Give the verdict of the first row that fits; UNMAPPED if none does.

    A success code under a status other than 2xx proves nothing: CONTRADICTION.
    """
    return verdict_of(answer.failure, answer.code, answer.http_status)


@lru_cache(maxsize=1024)  # three ask about each answer, and most are alike
def verdict_of(
    failure: Failure | None, code: int | None, status: int | None
) -> Verdict:
    """Give the verdict on answers of which this much is known."""
    good = status is not None and _OK <= status < _OK + 100
    if failure is None and code in SUCCESS_CODES and not good:
        return CONTRADICTION
    for row in TABLE:
        if row.fits(failure, code, status):
            return row.verdict
    return UNMAPPED
