"""How a call fails as a whole: a status with a reason, never with a caller's data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from tokferry.v1 import ErrorReason

DOMAIN = "tokferry"


@dataclass(frozen=True, slots=True)
class Violation:
    """One field of the request that is wrong."""

    field: str
    description: str


@dataclass(slots=True, kw_only=True)
class CallError(Exception):
    """Ends a call; the guard turns it into the rich status.

    ``message`` and ``violations`` say what, where and what to do, without any value
    of the input. ``quota`` says whose limit is reached, and which. ``retry_after`` is
    in seconds.
    """

    code: grpc.StatusCode
    reason: "ErrorReason.ValueType"
    message: str
    violations: tuple[Violation, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    quota: Violation | None = None
    retry_after: float | None = None


def invalid(
    reason: "ErrorReason.ValueType", violations: Iterable[Violation]
) -> CallError:
    """Give the error for a request that cannot be used as it is."""
    found = tuple(violations)
    return CallError(
        code=grpc.StatusCode.INVALID_ARGUMENT,
        reason=reason,
        message="; ".join(f"{one.field}: {one.description}" for one in found[:3]),
        violations=found,
    )


async def abort(
    context: "grpc.aio.ServicerContext[Any, Any]", error: CallError
) -> NoReturn:
    """End the call with the error's status and details."""
    if error.retry_after is not None:
        milliseconds = str(round(error.retry_after * 1000))
        context.set_trailing_metadata((("grpc-retry-pushback-ms", milliseconds),))
    status = status_pb2.Status(
        code=error.code.value[0],
        message=error.message,
        details=[_packed(detail) for detail in _details(error)],
    )
    await context.abort_with_status(rpc_status.to_status(status))


def _details(error: CallError) -> Iterable[Message]:
    yield error_details_pb2.ErrorInfo(
        reason=ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_"),
        domain=DOMAIN,
        metadata=error.metadata,
    )
    if error.violations:
        yield error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(
                    field=one.field, description=one.description
                )
                for one in error.violations
            ]
        )
    if error.quota is not None:
        yield error_details_pb2.QuotaFailure(
            violations=[
                error_details_pb2.QuotaFailure.Violation(
                    subject=error.quota.field, description=error.quota.description
                )
            ]
        )
    if error.retry_after is not None:
        info = error_details_pb2.RetryInfo()
        info.retry_delay.FromMilliseconds(round(error.retry_after * 1000))
        yield info


def _packed(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed
