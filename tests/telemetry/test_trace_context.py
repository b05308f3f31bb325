"""The call that accepted an event is remembered with it, as long as it is kept."""

from __future__ import annotations

import time
from pathlib import Path

from msgspec.structs import replace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from outbox.made import row
from tokferry_server.delivery.outbox.interface import DeadFilter, Death
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox
from tokferry_server.delivery.trace_context import links_to, of_current_call


def test_a_sampled_call_has_a_context_of_25_bytes() -> None:
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("call") as span:
        stored = of_current_call()
    assert stored is not None
    assert len(stored) == 25
    [link] = links_to([stored, None, stored, b"of another form"])
    assert link.context.trace_id == span.get_span_context().trace_id
    assert link.context.span_id == span.get_span_context().span_id
    assert link.context.trace_flags.sampled


def test_a_call_that_is_not_sampled_has_none() -> None:
    assert of_current_call() is None
    tracer = TracerProvider(sampler=ALWAYS_OFF).get_tracer("test")
    with tracer.start_as_current_span("call"):
        assert of_current_call() is None


def test_a_request_is_linked_to_128_calls_at_most() -> None:
    stored = [number.to_bytes(24, "big") + b"\x01" for number in range(1, 1001)]
    assert len(links_to(stored)) == 128


async def test_the_outbox_keeps_it_through_restart_death_and_replay(
    tmp_path: Path,
) -> None:
    trace = bytes(range(25))
    path = tmp_path / "outbox.db"
    outbox = await SqliteOutbox.open(path)
    await outbox.put([replace(row(1), trace=trace), row(2)])
    await outbox.close()

    outbox = await SqliteOutbox.open(path)
    claimed = await outbox.claim("shop", 10, time.time())
    assert [one.trace for one in claimed] == [trace, None]
    deaths = [Death(id=one.id, reason="INVALID_EVENT") for one in claimed]
    await outbox.kill(deaths, time.time())
    dead = await outbox.dead(DeadFilter(), limit=10)
    assert [one.trace for one in dead] == [trace, None]
    await outbox.replay(DeadFilter(), now=time.time(), limit=10)
    again = await outbox.claim("shop", 10, time.time() + 1)
    assert [one.trace for one in again] == [trace, None]
    await outbox.close()
