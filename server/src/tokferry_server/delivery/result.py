"""What became of one event, in words of our own: never with a text of TikTok's."""

from typing import Final

import msgspec

from tokferry_server.tiktok.answer import Answer
from tokferry_server.tiktok.reasons import DeliveryReason, Outcome

MESSAGES: Final = {
    DeliveryReason.CONNECTION_AUTH: (
        "TikTok refuses the access token or its right to the event source; put a valid"
        " token in place."
    ),
    DeliveryReason.CONNECTION_CONFIG: (
        "TikTok does not know the event source or the address; correct pixel_id,"
        " event_source or base_url."
    ),
    DeliveryReason.CONNECTION_SUSPECTED: (
        "So many events fail alike that the connection must be at fault; check its"
        " settings, then send again."
    ),
    DeliveryReason.THROTTLED: "TikTok's rate limit is reached; send again later.",
    DeliveryReason.CONFLICT: "TikTok reports a concurrent change; send again.",
    DeliveryReason.CONNECT_FAILED: (
        "No connection to TikTok could be made; check the network, then send again."
    ),
    DeliveryReason.TIMEOUT: (
        "TikTok has not answered in time; send again with the same event id within"
        " 48 hours."
    ),
    DeliveryReason.CONNECTION_LOST: (
        "The connection to TikTok broke before its answer; send again with the same"
        " event id within 48 hours."
    ),
    DeliveryReason.SERVER_ERROR: (
        "TikTok reports an error of its own; send again with the same event id within"
        " 48 hours."
    ),
    DeliveryReason.MAINTENANCE: (
        "TikTok is under maintenance; send again later with the same event id, within"
        " 48 hours."
    ),
    DeliveryReason.UNREADABLE_ANSWER: (
        "The answer is not one of TikTok's; check for a proxy in between, and send"
        " again with the same event id within 48 hours."
    ),
    DeliveryReason.INVALID_EVENT: (
        "TikTok refuses the event as invalid; correct the field named, or look the"
        " request id up with TikTok."
    ),
    DeliveryReason.IDENTIFIER_NOT_HASHED: (
        "TikTok finds an identifier that is not hashed; report this as a defect."
    ),
    DeliveryReason.TOO_LARGE: (
        "TikTok finds the event too large even alone; send fewer products or shorter"
        " texts."
    ),
    DeliveryReason.UNMAPPED_CODE: (
        "TikTok answers with a code that is not known; look the code and the request"
        " id up with TikTok."
    ),
    DeliveryReason.ISOLATION_LIMIT: (
        "Finding the invalid events of the batch took too many requests; send the rest"
        " again."
    ),
    DeliveryReason.DEADLINE: (
        "The time of the call was over before the event was sent; send again with a"
        " longer deadline."
    ),
    DeliveryReason.PAUSED: (
        "An operator has paused the connection; send again once it is resumed."
    ),
    DeliveryReason.QUEUE_FULL: (
        "Too many requests to TikTok are waiting; send again, more slowly."
    ),
    DeliveryReason.ALREADY_DELIVERED: "TikTok has had the event before.",
    DeliveryReason.PARTIAL_SUCCESS: (
        "TikTok says that it took the request only in part, without naming the events;"
        " look for them in its Events Manager."
    ),
}
"""For each reason that delivery gives: what happened, and what to do."""

_DELIVERED = "Delivered."


class DeliveryResult(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of one event.

    ``field`` is the TikTok path that TikTok names, ``request_id`` what its support asks
    for, ``attempts`` the number of tries (0: never sent).
    """

    outcome: Outcome
    reason: DeliveryReason | None = None
    code: int | None = None
    http_status: int | None = None
    field: str | None = None
    request_id: str | None = None
    message: str = _DELIVERED
    attempts: int = 0


NOT_SENT: Final = DeliveryResult(
    outcome=Outcome.RETRYABLE,
    reason=DeliveryReason.DEADLINE,
    message=MESSAGES[DeliveryReason.DEADLINE],
)


PAUSED: Final = DeliveryResult(
    outcome=Outcome.RETRYABLE,
    reason=DeliveryReason.PAUSED,
    message=MESSAGES[DeliveryReason.PAUSED],
)


def make_result(
    outcome: Outcome,
    reason: DeliveryReason | None,
    answer: Answer,
    *,
    attempts: int,
    field: str | None = None,
) -> DeliveryResult:
    """Put a result together from the answer it rests on."""
    return DeliveryResult(
        outcome=outcome,
        reason=reason,
        code=answer.code,
        http_status=answer.http_status,
        field=field,
        request_id=answer.request_id,
        message=_DELIVERED if reason is None else MESSAGES[reason],
        attempts=attempts,
    )
