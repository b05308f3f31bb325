"""What the sandbox answers: TikTok's checks in TikTok's order, then the ledger."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import count

import msgspec

from tokferry_server.sandbox.faults import Fault
from tokferry_server.sandbox.http import Head
from tokferry_server.sandbox.ledger import Sent
from tokferry_server.sandbox.strict import PATHS, first_problem

_TOKEN_HEADER = "access-token"  # noqa: S105  the header's name
_encoder = msgspec.json.Encoder()


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, before it is written."""

    status: int = 200
    code: int = 0
    message: str = "OK"


class _Envelope(msgspec.Struct):
    event_source_id: str = ""
    pixel_code: str = ""
    data: list[msgspec.Raw] | None = None
    batch: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    event: str = ""
    event_id: str | None = None


_envelopes = msgspec.json.Decoder(_Envelope)
_events = msgspec.json.Decoder(_Event)


def read_events(body: bytes) -> list[Sent]:
    """List the events of a request body; none when it cannot be read."""
    try:
        envelope = _envelopes.decode(body)
        raws = envelope.data if envelope.data is not None else envelope.batch
        if raws is None:
            raws = [msgspec.Raw(body)]
        return [
            Sent(
                source_id=envelope.event_source_id or envelope.pixel_code,
                event=event.event,
                event_id=event.event_id,
                body=msgspec.Raw(bytes(raw)),
            )
            for raw in raws
            for event in (_events.decode(raw),)
        ]
    except (msgspec.DecodeError, RecursionError):
        return []


@dataclass(slots=True, kw_only=True)
class Gate:
    """Decides about a request: path, token, content type, body, pixel, size.

    ``pixels``: the source ids it knows (None: any). ``max_bytes``: the longest body of
    more than one event. ``validate`` False: only path and token are looked at.
    """

    token: str
    pixels: Collection[str] | None
    max_bytes: int
    validate: bool
    clock: Callable[[], float]

    def refusal(self, head: Head, body: bytes, sent: Collection[Sent]) -> Reply | None:
        """Say why the request is refused; None when it is taken."""
        token = head.headers.get(_TOKEN_HEADER, "")
        if not token:
            message = "Access token is empty."
            return Reply(status=401, code=40104, message=message)
        if token != self.token:
            message = "Access token is incorrect or has been revoked."
            return Reply(status=401, code=40105, message=message)
        if not self.validate:
            return None
        if not _is_json(head.headers.get("content-type", "")):
            return Reply(code=40002, message="Content-Type must be application/json.")
        problem = first_problem(head.path, body, now=self.clock())
        if problem is not None:
            return Reply(code=problem.code, message=problem.message)
        return self._unknown_pixel(sent) or self._too_large(body, sent)

    def _unknown_pixel(self, sent: Collection[Sent]) -> Reply | None:
        if self.pixels is None:
            return None
        for one in sent:
            if one.source_id not in self.pixels:
                message = f"No permission to operate pixel {one.source_id}."
                return Reply(status=401, code=40001, message=message)
        return None

    def _too_large(self, body: bytes, sent: Collection[Sent]) -> Reply | None:
        if len(body) <= self.max_bytes or len(sent) == 1:
            return None
        return Reply(status=413, code=40061, message="Request body is too large.")


class Answers:
    """Writes answers in TikTok's form, each with a request id of its own."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def body(self, reply: Reply) -> bytes:
        """Give the JSON bytes of an answer."""
        return _encoder.encode(
            {
                "code": reply.code,
                "message": reply.message,
                "request_id": f"sandbox{next(self._numbers):013d}",
                "data": {},
            }
        )


def scripted(fault: Fault, sent: Sequence[Sent]) -> Reply:
    """Give the answer that a ``code`` or ``refuse`` fault asks for."""
    if fault.reply == "code":
        code = 0 if fault.code is None else fault.code
        return Reply(status=fault.status, code=code, message=fault.message)
    code = 40002 if fault.code is None else fault.code
    first = next(i for i, one in enumerate(sent) if one.event_id in fault.event_ids)
    message = "Invalid parameter."
    if fault.named:
        message = f"Batch.{first}.properties.value: Not a valid number. Got 'ten'"
    return Reply(status=fault.status, code=code, message=message)


def is_endpoint(path: str) -> bool:
    """Say whether the path is one of the Events API's."""
    return path in PATHS


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"
