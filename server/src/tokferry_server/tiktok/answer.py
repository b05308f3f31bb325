"""One answer of TikTok's, or the failure to get one, without any text it echoes.

TikTok's messages repeat the values they complain of, so only the place they name is
kept: https://business-api.tiktok.com/portal/docs/responses-and-errors/v1.3.
"""

import math
import re
from collections.abc import Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from enum import StrEnum

import msgspec

from tokferry_server.tiktok import model


class Failure(StrEnum):
    """Why there is no whole answer."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    CERTIFICATE = "certificate"
    FORBIDDEN_ADDRESS = "forbidden_address"
    POOL = "pool"
    QUEUE = "queue"
    LOCAL_PROTOCOL = "local_protocol"
    WRITE = "write"
    READ_TIMEOUT = "read_timeout"
    RESET = "reset"
    TRUNCATED = "truncated"
    OTHER = "other"


class Answer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What came back for one request.

    ``code`` is TikTok's own, from the body. ``retry_after`` is in seconds. ``index``
    counts from 0 and is the event that TikTok names as bad, ``field`` the path below
    it. ``request_id`` is what TikTok's support asks for.
    """

    http_status: int | None = None
    code: int | None = None
    failure: Failure | None = None
    retry_after: float | None = None
    index: int | None = None
    field: str | None = None
    request_id: str | None = None


class _Body(msgspec.Struct):
    code: msgspec.Raw = msgspec.Raw()
    message: msgspec.Raw = msgspec.Raw()
    request_id: msgspec.Raw = msgspec.Raw()


_UNDOCUMENTED_HERE = "ad device tiktok_app_id event_source event_source_id pixel_code"
_MAX_CODE = 999_999
_MESSAGE_LIMIT = 400
_LONGEST_WAIT_S = 86_400.0
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_bodies = msgspec.json.Decoder(_Body)
_codes = msgspec.json.Decoder(int)
_texts = msgspec.json.Decoder(str)
_request_id = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _member_names() -> Iterator[str]:
    yield from _UNDOCUMENTED_HERE.split()
    for struct in vars(model).values():
        if isinstance(struct, type) and issubclass(struct, msgspec.Struct):
            yield from struct.__struct_fields__


_name = "|".join(sorted(set(_member_names()), key=len, reverse=True))
_steps = rf"(?:{_name})(?:\.(?:{_name}|[0-9]{{1,4}}))*"
_place = re.compile(
    r"[A-Za-z ,]{0,40}:? ?Batch\.(?P<index>[0-9]{1,4})(?![0-9])"
    rf"(?:\.(?P<below>{_steps})(?=[:\s]|$))?"
    rf"|(?P<root>{_steps}):"
)


def read_answer(
    *,
    http_status: int,
    body: bytes,
    content_type: str | None = None,
    retry_after: str | None = None,
    date: str | None = None,
) -> Answer:
    """Read an HTTP response of any kind; what cannot be read is left out.

    ``retry_after`` and ``date`` are those headers. Never raises.
    """
    wait = retry_after_seconds(retry_after, date)
    members = None
    if content_type is None or _is_json(content_type):
        with suppress(*_UNREADABLE):
            members = _bodies.decode(body)
    if members is None:
        return Answer(http_status=http_status, retry_after=wait)
    index, field = named_place(_text(members.message))
    request_id = _text(members.request_id)
    return Answer(
        http_status=http_status,
        code=_code(members.code),
        retry_after=wait,
        index=index,
        field=field,
        request_id=request_id if _request_id.fullmatch(request_id) else None,
    )


def named_place(message: str) -> tuple[int | None, str | None]:
    """Find the event and the field that a message names, such as
    ``Batch.3.properties.contents.0.content_id: Not a valid string``.

    Only known member names and indexes are kept, so no value can come along.
    """  # noqa: D205  the example is part of the summary
    found = _place.match(message[:_MESSAGE_LIMIT])
    if found is None:
        return None, None
    index = found["index"]
    return int(index) if index else None, found["below"] or found["root"]


def retry_after_seconds(value: str | None, date: str | None) -> float | None:
    """Read ``Retry-After``: seconds, or a time, which counts from the answer's Date."""
    if value is None:
        return None
    try:
        if value.strip().isdigit():
            seconds = float(value)
        else:
            until = parsedate_to_datetime(value)
            seconds = (until - parsedate_to_datetime(date or "")).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    if not math.isfinite(seconds):
        return _LONGEST_WAIT_S
    return min(max(seconds, 0.0), _LONGEST_WAIT_S)


def _code(raw: msgspec.Raw) -> int | None:
    try:
        code = _codes.decode(raw)
    except _UNREADABLE:
        return None
    return code if 0 <= code <= _MAX_CODE else None


def _text(raw: msgspec.Raw) -> str:
    try:
        return _texts.decode(raw)
    except _UNREADABLE:
        return ""


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind.endswith(("/json", "+json"))
