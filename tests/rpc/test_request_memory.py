"""What streams hold together is bounded; they wait by turns."""

import asyncio
from typing import Any

import pytest

from tokferry_server.delivery.slots import asker
from tokferry_server.rpc.request_memory import RequestMemory


async def begun(*tasks: "asyncio.Task[Any]") -> list[bool]:
    for _ in range(5):
        await asyncio.sleep(0)
    return [task.done() for task in tasks]


async def test_streams_read_in_order_while_there_is_room() -> None:
    memory = RequestMemory(100)
    first = await memory.reserve(60)
    large = asyncio.create_task(memory.reserve(80))
    small = asyncio.create_task(memory.reserve(10))
    assert await begun(large, small) == [False, False]
    first.give_back()
    assert await begun(large, small) == [True, True]


async def test_askers_wait_by_turns() -> None:
    memory = RequestMemory(100)
    share = await memory.reserve(100)
    let_in: list[str] = []

    async def ask(who: str) -> None:
        asker.set(who)
        (await memory.reserve(100)).give_back()
        let_in.append(who)

    tasks = [asyncio.create_task(ask(who)) for who in ("a", "a", "a", "b", "c")]
    gone = asyncio.create_task(ask("b"))
    await begun(*tasks, gone)
    tasks[3].cancel()
    await begun(tasks[3])
    share.give_back()
    await asyncio.wait([*tasks, gone])
    assert let_in == ["a", "b", "c", "a", "a"]


async def test_a_reservation_larger_than_all_the_room_gets_in_alone() -> None:
    memory = RequestMemory(100)
    first = await memory.reserve(10)
    huge = asyncio.create_task(memory.reserve(500))
    assert await begun(huge) == [False]
    first.give_back()
    assert await begun(huge) == [True]
    other = asyncio.create_task(memory.reserve(1))
    assert await begun(other) == [False]
    huge.result().give_back()
    assert await begun(other) == [True]


async def test_a_message_holds_its_own_size_once_that_is_known() -> None:
    memory = RequestMemory(100)
    share = await memory.reserve(90)
    other = asyncio.create_task(memory.reserve(50))
    share.settle(60)
    assert await begun(other) == [False]
    share.settle(40)
    assert await begun(other) == [True]
    share.settle(300)  # read is read: it only holds up those who come later
    late = asyncio.create_task(memory.reserve(1))
    other.result().give_back()
    assert await begun(late) == [False]
    share.give_back()
    assert await begun(late) == [True]


async def test_a_caller_with_nothing_to_say_holds_nobody_up() -> None:
    memory = RequestMemory(100, idle_seconds=0.01)
    silent = await memory.reserve(100)
    other = await asyncio.wait_for(memory.reserve(100), 5)
    silent.settle(70)  # it speaks after all
    third = asyncio.create_task(memory.reserve(40))
    other.give_back()
    assert await begun(third) == [False]
    silent.give_back()
    assert await begun(third) == [True]


@pytest.mark.parametrize("let_in", [False, True])
async def test_a_cancelled_reservation_holds_no_room(let_in: bool) -> None:
    memory = RequestMemory(100)
    first = await memory.reserve(100)
    cancelled = asyncio.create_task(memory.reserve(100))
    other = asyncio.create_task(memory.reserve(100))
    await begun(cancelled, other)
    if let_in:
        first.give_back()
    cancelled.cancel()
    if not let_in:
        first.give_back()
    await begun(cancelled)
    assert cancelled.cancelled()
    assert await begun(other) == [True]
