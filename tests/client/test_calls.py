"""What the clients send, and what they give back."""

from __future__ import annotations

import inspect
import json
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import tokferry
from tokferry import AsyncClient, Client
from tokferry.mparticle.v1 import Batch, Event, ScreenView
from tokferry.v1 import ConnectionSettings, DeliveryMode

BATCH = Batch(
    ip="203.0.113.7", events=[Event(screen_view=ScreenView(screen_name="Start"))]
)
DECODED = {"ip": "203.0.113.7", "events": [], "mpid": -9143093801278538123}


async def test_transform_gives_the_servers_answer(call: Any, service: Any) -> None:
    settings = ConnectionSettings(pixel_id="C4EXAMPLE", derive_value=True)

    answer = await call(
        "transform", BATCH, settings=settings, explain=True, test_event_code="TEST1"
    )

    assert [result.batch for result in answer.results] == [7]
    (request,) = service.requests
    assert request.settings == settings
    assert request.connection == ""
    assert request.explain
    assert request.test_event_code == "TEST1"
    assert list(request.batches.batches) == [BATCH]


async def test_forward_sends_every_option(call: Any, service: Any) -> None:
    answer = await call(
        "forward",
        BATCH,
        connection="shop",
        mode="durable",
        validate_only=True,
        label="import-7",
        test_event_code="TEST2",
    )

    assert answer.totals.delivered == 3
    (request,) = service.requests
    assert request.connection == "shop"
    assert request.mode == DeliveryMode.DELIVERY_MODE_DURABLE
    assert request.validate_only
    assert request.label == "import-7"
    assert request.test_event_code == "TEST2"


async def test_forward_leaves_what_is_not_said_to_the_server(
    call: Any, service: Any
) -> None:
    await call("forward", BATCH, connection="shop")

    (request,) = service.requests
    assert request.mode == DeliveryMode.DELIVERY_MODE_UNSPECIFIED
    assert not request.validate_only
    assert not request.HasField("test_event_code")


async def test_describe_connection_names_it(call: Any, service: Any) -> None:
    answer = await call("describe_connection", "shop")

    assert answer.version == "9.8.7"
    assert service.requests[0].connection == "shop"


@pytest.mark.parametrize(
    "several",
    [
        pytest.param(lambda: [BATCH, BATCH], id="list"),
        pytest.param(lambda: (b for b in (BATCH, BATCH)), id="generator"),
    ],
)
async def test_several_batches_travel_typed(
    call: Any, service: Any, several: Callable[[], object]
) -> None:
    await call("forward", several(), connection="shop")

    assert list(service.requests[0].batches.batches) == [BATCH, BATCH]


async def test_no_batches_are_still_an_input(call: Any, service: Any) -> None:
    await call("forward", [], connection="shop")

    assert service.requests[0].WhichOneof("input") == "batches"


@pytest.mark.parametrize("form", [str, str.encode, lambda t: bytearray(t.encode())])
async def test_json_text_travels_unchanged(call: Any, service: Any, form: Any) -> None:
    text = '{"ip": "203.0.113.7", "user_attributes": {"city": "Køge"}}\n{}'

    await call("forward", form(text), connection="shop")

    assert service.requests[0].json == text.encode()


@pytest.mark.parametrize("value", [DECODED, [DECODED, DECODED]], ids=["one", "list"])
async def test_decoded_json_is_encoded_without_loss(
    call: Any, service: Any, value: Any
) -> None:
    await call("forward", value, connection="shop")

    assert json.loads(service.requests[0].json) == value


@pytest.mark.parametrize(
    ("batches", "error"),
    [
        (7, TypeError),
        (None, TypeError),
        ([BATCH, DECODED], TypeError),
        ([b"{}"], TypeError),
        ({"mpid": math.nan}, ValueError),
        ({"when": object()}, TypeError),
    ],
)
async def test_what_holds_no_batches_never_leaves(
    call: Any, service: Any, batches: Any, error: Any
) -> None:
    with pytest.raises(error):
        await call("forward", batches, connection="shop")

    assert service.requests == []


async def test_an_unknown_mode_never_leaves(call: Any, service: Any) -> None:
    with pytest.raises(ValueError, match="mode"):
        await call("forward", BATCH, connection="shop", mode="later")

    assert service.requests == []


@pytest.mark.parametrize(
    "options", [{}, {"connection": "shop", "settings": ConnectionSettings()}]
)
async def test_transform_needs_either_a_connection_or_settings(
    call: Any, service: Any, options: Any
) -> None:
    with pytest.raises(ValueError, match="either"):
        await call("transform", BATCH, **options)

    assert service.requests == []


async def test_a_call_belongs_to_the_callers_trace(call: Any, service: Any) -> None:
    span = TracerProvider().get_tracer("test").start_span("order")
    token = otel_context.attach(trace.set_span_in_context(span))
    try:
        await call("describe_connection", "shop")
    finally:
        otel_context.detach(token)

    trace_id = f"{span.get_span_context().trace_id:032x}"
    assert trace_id in str(service.metadata[0]["traceparent"])


async def test_the_servers_log_can_tell_which_client_called(
    call: Any, service: Any
) -> None:
    await call("describe_connection", "shop")

    assert str(service.metadata[0]["user-agent"]).startswith("tokferry-python/")


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type[Any]) -> dict[str, list[Any]]:
        public = inspect.getmembers(kind, inspect.isfunction)
        return {n: parameters(f) for n, f in public if not n.startswith("_")}

    def parameters(function: Any) -> list[Any]:
        found = inspect.signature(function).parameters.values()
        return [(one.name, one.kind, one.default) for one in found]

    assert methods(Client) == methods(AsyncClient)
    assert inspect.signature(Client) == inspect.signature(AsyncClient)


def test_every_public_name_exists() -> None:
    assert all(getattr(tokferry, name) for name in tokferry.__all__)
    with pytest.raises(AttributeError):
        tokferry.Nothing  # noqa: B018


def test_messages_alone_do_not_load_grpc() -> None:
    program = "import sys, tokferry.mparticle.v1; sys.exit('grpc' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
