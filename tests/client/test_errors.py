"""What a failed call raises."""

from __future__ import annotations

import pickle
import time
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2

import tokferry
from tokferry import TokferryError

Code = grpc.StatusCode

KINDS = {
    Code.INVALID_ARGUMENT: tokferry.InvalidRequest,
    Code.UNAUTHENTICATED: tokferry.Unauthenticated,
    Code.PERMISSION_DENIED: tokferry.PermissionDenied,
    Code.NOT_FOUND: tokferry.NotFound,
    Code.FAILED_PRECONDITION: tokferry.FailedPrecondition,
    Code.RESOURCE_EXHAUSTED: tokferry.ResourceExhausted,
    Code.DEADLINE_EXCEEDED: tokferry.DeadlineExceeded,
    Code.CANCELLED: tokferry.Cancelled,
    Code.UNIMPLEMENTED: tokferry.NotImplementedByServer,
    Code.INTERNAL: tokferry.InternalError,
    Code.UNKNOWN: TokferryError,
    Code.DATA_LOSS: TokferryError,
}


@pytest.mark.parametrize("code", KINDS, ids=lambda code: code.name)
async def test_each_status_has_its_own_error(
    call: Any, service: Any, code: Any
) -> None:
    service.script = [service.fail(code, "the shop is shut")]

    with pytest.raises(TokferryError) as caught:
        await call("describe_connection", "shop")

    assert type(caught.value) is KINDS[code]
    assert caught.value.code is code
    assert "the shop is shut" in str(caught.value)
    assert len(service.requests) == 1


async def test_a_wrong_request_names_its_fields(call: Any, service: Any) -> None:
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="settings.pixel_id", description="is missing")
    bad.field_violations.add(field="settings.rate", description="must be above 0")
    info = error_details_pb2.ErrorInfo(
        reason="INVALID_SETTINGS", domain="tokferry", metadata={"limit": "250"}
    )
    service.script = [
        service.fail(Code.INVALID_ARGUMENT, "settings are wrong", info, bad)
    ]

    with pytest.raises(tokferry.InvalidRequest) as caught:
        await call("transform", {}, connection="shop")

    error = caught.value
    assert error.reason == "INVALID_SETTINGS"
    assert error.details.domain == "tokferry"
    assert error.metadata == {"limit": "250"}
    assert [v.field for v in error.violations] == ["settings.pixel_id", "settings.rate"]
    assert str(error).splitlines() == [
        "INVALID_ARGUMENT INVALID_SETTINGS: settings are wrong",
        "  settings.pixel_id: is missing",
        "  settings.rate: must be above 0",
    ]


async def test_a_full_outbox_says_how_long_to_wait(call: Any, service: Any) -> None:
    retry = error_details_pb2.RetryInfo(
        retry_delay=Duration(seconds=2, nanos=500_000_000)
    )
    quota = error_details_pb2.QuotaFailure()
    quota.violations.add(subject="outbox", description="holds 2 GiB")
    service.script = [service.fail(Code.RESOURCE_EXHAUSTED, "full", quota, retry)]

    with pytest.raises(tokferry.ResourceExhausted) as caught:
        await call("forward", {}, connection="shop")

    assert caught.value.retry_after == 2.5
    assert caught.value.quotas == (
        tokferry.QuotaViolation(subject="outbox", description="holds 2 GiB"),
    )


@pytest.mark.parametrize(("pushback", "seconds"), [("1500", 1.5), ("-1", None)])
async def test_a_pushback_says_it_too(
    call: Any, service: Any, pushback: Any, seconds: Any
) -> None:
    async def reply(context: Any) -> None:
        context.set_trailing_metadata([("grpc-retry-pushback-ms", pushback)])
        await context.abort(Code.RESOURCE_EXHAUSTED, "full")

    service.script = [reply]

    with pytest.raises(tokferry.ResourceExhausted) as caught:
        await call("forward", {}, connection="shop")

    assert caught.value.retry_after == seconds


async def test_damaged_details_leave_the_plain_status(call: Any, service: Any) -> None:
    async def reply(context: Any) -> None:
        context.set_trailing_metadata([("grpc-status-details-bin", b"\xff\xff\xff")])
        await context.abort(Code.FAILED_PRECONDITION, "unknown connection")

    service.script = [reply]

    with pytest.raises(tokferry.FailedPrecondition, match="unknown connection") as e:
        await call("forward", {}, connection="shop")

    assert e.value.reason == ""


async def test_unavailable_is_tried_again(call: Any, service: Any) -> None:
    service.script = [service.fail(Code.UNAVAILABLE), service.fail(Code.UNAVAILABLE)]

    answer = await call("forward", {}, connection="shop")

    assert answer.totals.delivered == 3
    assert len(service.requests) == 3


async def test_unavailable_is_tried_four_times_at_most(call: Any, service: Any) -> None:
    info = error_details_pb2.ErrorInfo(reason="DRAINING", domain="tokferry")
    service.script = [
        service.fail(Code.UNAVAILABLE, "stopping", info) for _ in range(9)
    ]

    with pytest.raises(tokferry.Unavailable) as caught:
        await call("forward", {}, connection="shop")

    assert caught.value.reason == "DRAINING"
    assert len(service.requests) == 4


async def test_a_server_that_is_not_there_is_unavailable(call: Any) -> None:
    client = call.client(target="127.0.0.1:1")

    with pytest.raises(tokferry.Unavailable) as caught:
        await call.on(client, "describe_connection", "shop", timeout=5)

    assert caught.value.reason == ""


async def test_a_slow_answer_ends_at_the_calls_deadline(
    call: Any, service: Any
) -> None:
    service.script = [service.wait(5)]
    start = time.monotonic()

    with pytest.raises(tokferry.DeadlineExceeded):
        await call("forward", {}, connection="shop", timeout=0.2)

    assert time.monotonic() - start < 4


def test_errors_travel_between_processes() -> None:
    details = tokferry._errors.ErrorDetails(code=Code.UNAVAILABLE, message="stopping")
    error = tokferry.Unavailable(details)

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is tokferry.Unavailable
    assert copy.details == details
    assert str(copy) == str(error)
