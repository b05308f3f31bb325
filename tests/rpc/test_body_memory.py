"""What unary requests take together, and when calls are refused for it."""

import asyncio
from typing import Any

import grpc
import pytest

from rpc.raw_calls import channel_to, ended
from tokferry_server.rpc import body_memory
from tokferry_server.rpc.body_memory import BodyMemory, memory_limit
from tokferry_server.rpc.errors import CallError
from tokferry_server.rpc.limits import MAX_MESSAGE_BYTES
from tokferry_server.telemetry.vitals import resident_bytes

FORWARD = "/tokferry.v1.ForwardingService/Forward"


async def body_of(size: int) -> bytes:
    return bytes(size)


async def test_there_is_room_for_so_many_bytes_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body_memory, "WAIT_SECONDS", 0.05)
    memory = BodyMemory(most=MAX_MESSAGE_BYTES + 1000)
    async with memory.read(lambda: body_of(600)) as first:
        assert len(first.take() or b"") == 600
        async with memory.read(lambda: body_of(600)):
            with pytest.raises(CallError) as caught:
                async with memory.read(lambda: body_of(1)):
                    pass
        async with memory.read(lambda: body_of(1)):
            pass
    assert caught.value.code == grpc.StatusCode.UNAVAILABLE
    assert caught.value.retry_after
    assert "in hand" in caught.value.message


async def test_what_waits_for_room_gets_in_when_there_is_some() -> None:
    memory = BodyMemory(most=MAX_MESSAGE_BYTES)
    done: list[int] = []

    async def call(number: int) -> None:
        async with memory.read(lambda: body_of(MAX_MESSAGE_BYTES)):
            await asyncio.sleep(0.001)
            done.append(number)

    await asyncio.gather(*(call(number) for number in range(20)))
    assert done == list(range(20))


async def test_bodies_that_do_not_arrive_are_cut_off_and_hold_nobody_up(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_memory, "READ_SECONDS", 2.0)
    running = await start()
    async with channel_to(running.target) as slow, channel_to(running.target) as quick:
        calls: list[Any] = [slow.stream_stream(FORWARD)() for _ in range(24)]
        await asyncio.sleep(0.2)
        polite = await ended(quick, FORWARD, b"", seconds=5)
        assert polite.code == grpc.StatusCode.INVALID_ARGUMENT
        assert not any(call.done() for call in calls)
        codes = [await call.code() for call in calls]
    assert codes == [grpc.StatusCode.DEADLINE_EXCEEDED] * 24


async def test_while_memory_is_short_only_one_call_is_let_in() -> None:
    resident = [79]
    now = [0.0]
    memory = BodyMemory(limit=100, resident=lambda: resident[0], clock=lambda: now[0])
    async with memory.read(lambda: body_of(1)):
        memory.check()
        resident[0] = 81
        memory.check()  # looked a moment ago
        now[0] += 1.0
        with pytest.raises(CallError) as caught:
            memory.check()
    assert caught.value.code == grpc.StatusCode.UNAVAILABLE
    assert "short of memory" in caught.value.message
    memory.check()  # nothing else is to be done: one may try
    resident[0] = 79
    now[0] += 1.0
    async with memory.read(lambda: body_of(1)):
        memory.check()


def test_the_memory_of_the_process_is_known() -> None:
    limit = memory_limit()
    assert 10 * 2**20 < resident_bytes() < 2**36
    assert limit is None or limit > 2**20


@pytest.mark.parametrize(
    ("text", "limit"),
    [("536870912\n", 536870912), ("max\n", None), ("9223372036854771712\n", None)],
)
def test_the_limit_of_the_control_group_is_taken_if_it_has_one(
    text: str, limit: int | None, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "memory.max"
    file.write_text(text)
    monkeypatch.setattr(body_memory, "_CGROUP", (tmp_path / "missing", file))
    assert memory_limit() == limit
