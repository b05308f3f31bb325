"""What a failed call raises.

TokferryError
├── InvalidRequest          the request is wrong: correct it
├── Unauthenticated         no valid token or certificate
├── PermissionDenied        no right to this call or connection
├── NotFound                there is no such thing
├── FailedPrecondition      unknown connection, no outbox, no access token
├── ResourceExhausted       quota used up, or outbox full: nothing was accepted
├── Unavailable             not reachable, draining or overloaded: try again
├── DeadlineExceeded        no answer in time: events may have been delivered
├── Cancelled               the call was given up: events may have been delivered
├── NotImplementedByServer  the server is older than the client
└── InternalError           the server failed: events may have been delivered

After any of them the same events may be sent again within 48 hours: their ids stay
the same, so TikTok counts them once.
"""

# ruff: noqa: N818 - the names are those of gRPC's statuses

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

_DETAILS_KEY = "grpc-status-details-bin"
_PUSHBACK_KEY = "grpc-retry-pushback-ms"
_Detail = TypeVar("_Detail", bound=Message)
_Trailers = Iterable[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """One field of the request that is wrong: its path, and what is wrong."""

    field: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaViolation:
    """One quota that is used up: whose or of what, and how much it allows."""

    subject: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDetails:
    """What a failed call tells about itself, decoded.

    `reason` is a name of `tokferry.v1.ErrorReason` without its prefix, or empty when
    the failure did not come from a Tokferry server. `retry_after` is in seconds.
    """

    code: grpc.StatusCode
    message: str = ""
    reason: str = ""
    domain: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[FieldViolation, ...] = ()
    quotas: tuple[QuotaViolation, ...] = ()
    retry_after: float | None = None


class TokferryError(Exception):
    """A call failed as a whole; `details` says all that is known."""

    def __init__(self, details: ErrorDetails) -> None:
        reason = f" {details.reason}" if details.reason else ""
        lines = [f"{details.code.name}{reason}: {details.message}"]
        lines += [f"  {v.field}: {v.description}" for v in details.violations]
        super().__init__("\n".join(lines))
        self.details = details

    def __reduce__(self) -> tuple[type[TokferryError], tuple[ErrorDetails]]:
        """Allow the error to travel between processes."""
        return type(self), (self.details,)

    @property
    def code(self) -> grpc.StatusCode:
        """The gRPC status."""
        return self.details.code

    @property
    def reason(self) -> str:
        """A name of `tokferry.v1.ErrorReason` without its prefix, or empty."""
        return self.details.reason

    @property
    def metadata(self) -> Mapping[str, str]:
        """Further facts that belong to the reason, such as a limit."""
        return self.details.metadata

    @property
    def violations(self) -> tuple[FieldViolation, ...]:
        """The fields of the request that are wrong."""
        return self.details.violations

    @property
    def quotas(self) -> tuple[QuotaViolation, ...]:
        """The quotas that are used up."""
        return self.details.quotas

    @property
    def retry_after(self) -> float | None:
        """How long to wait before trying again, in seconds, if the server says."""
        return self.details.retry_after


class InvalidRequest(TokferryError):
    """The request is wrong; `violations` names the fields. Trying again is useless."""


class Unauthenticated(TokferryError):
    """The call carries no valid token or certificate."""


class PermissionDenied(TokferryError):
    """The caller has no right to this call or connection."""


class NotFound(TokferryError):
    """There is no such thing."""


class FailedPrecondition(TokferryError):
    """The server is not set up for it; `reason` says what is missing."""


class ResourceExhausted(TokferryError):
    """A quota is used up or the outbox is full, as `quotas` says.

    Nothing was accepted.
    """


class Unavailable(TokferryError):
    """The server cannot be reached, is stopping, or has too much to do."""


class DeadlineExceeded(TokferryError):
    """No answer came in time. Events may have been delivered all the same."""


class Cancelled(TokferryError):
    """The call was given up. Events may have been delivered all the same."""


class NotImplementedByServer(TokferryError):
    """The server does not offer this call."""


class InternalError(TokferryError):
    """The server failed; `metadata["id"]` names its log entry."""


_CLASSES: Mapping[grpc.StatusCode, type[TokferryError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequest,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.CANCELLED: Cancelled,
    grpc.StatusCode.UNIMPLEMENTED: NotImplementedByServer,
    grpc.StatusCode.INTERNAL: InternalError,
}


def error_from(
    code: grpc.StatusCode, message: str | None, trailers: _Trailers | None
) -> TokferryError:
    """Make the error for a call that ended with `code`."""
    known = {key: value for key, value in trailers or () if isinstance(value, bytes)}
    text = {key: value for key, value in trailers or () if isinstance(value, str)}
    status = _status(known.get(_DETAILS_KEY))
    info = _detail(status, error_details_pb2.ErrorInfo)
    bad = _detail(status, error_details_pb2.BadRequest)
    quota = _detail(status, error_details_pb2.QuotaFailure)
    details = ErrorDetails(
        code=code,
        message=message or "",
        reason=info.reason,
        domain=info.domain,
        metadata=dict(info.metadata),
        violations=tuple(
            FieldViolation(field=v.field, description=v.description)
            for v in bad.field_violations
        ),
        quotas=tuple(
            QuotaViolation(subject=v.subject, description=v.description)
            for v in quota.violations
        ),
        retry_after=_retry_after(status, text.get(_PUSHBACK_KEY)),
    )
    return _CLASSES.get(code, TokferryError)(details)


def _status(encoded: bytes | None) -> status_pb2.Status:
    # A proxy may cut or change trailers; the plain status must survive that.
    try:
        return status_pb2.Status.FromString(encoded or b"")
    except DecodeError:
        return status_pb2.Status()


def _detail(status: status_pb2.Status, kind: type[_Detail]) -> _Detail:
    """Unpack the first detail of a kind; an empty one if there is none."""
    found = kind()
    for packed in status.details:
        try:
            if packed.Unpack(found):
                break
        except DecodeError:
            continue
    return found


def _retry_after(status: status_pb2.Status, pushback: str | None) -> float | None:
    info = _detail(status, error_details_pb2.RetryInfo)
    if info.HasField("retry_delay"):
        return float(info.retry_delay.ToTimedelta().total_seconds())
    # A negative pushback means: do not try again.
    if pushback is not None and pushback.isdecimal():
        return int(pushback) / 1000
    return None
