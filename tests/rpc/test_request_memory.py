"""What streams hold together is bounded, in the order in which they ask."""

import asyncio

import pytest

from tokferry_server.rpc.request_memory import RequestMemory


async def begun(*tasks: "asyncio.Task[None]") -> list[bool]:
    for _ in range(5):
        await asyncio.sleep(0)
    return [task.done() for task in tasks]


async def test_requests_get_in_in_order_while_there_is_room() -> None:
    memory = RequestMemory(100)
    await memory.take(60)
    large = asyncio.create_task(memory.take(80))
    small = asyncio.create_task(memory.take(10))
    assert await begun(large, small) == [False, False]
    memory.give_back(60)
    assert await begun(large, small) == [True, True]


async def test_a_request_larger_than_all_the_room_gets_in_alone() -> None:
    memory = RequestMemory(100)
    await memory.take(10)
    huge = asyncio.create_task(memory.take(500))
    assert await begun(huge) == [False]
    memory.give_back(10)
    assert await begun(huge) == [True]
    other = asyncio.create_task(memory.take(1))
    assert await begun(other) == [False]
    memory.give_back(500)
    assert await begun(other) == [True]


@pytest.mark.parametrize("let_in", [False, True])
async def test_a_cancelled_request_holds_no_room(let_in: bool) -> None:
    memory = RequestMemory(100)
    await memory.take(100)
    gone = asyncio.create_task(memory.take(100))
    await begun()
    if let_in:
        memory.give_back(100)
    gone.cancel()
    await begun()
    if not let_in:
        memory.give_back(100)
    next_one = asyncio.create_task(memory.take(100))
    assert await begun(gone, next_one) == [True, True]


async def test_while_memory_is_short_each_end_lets_one_more_be_read() -> None:
    memory = RequestMemory(100)
    await memory.room()
    await memory.take(50)
    await memory.take(50)
    readers = [asyncio.create_task(memory.room()) for _ in range(3)]
    assert await begun(*readers) == [False, False, False]
    memory.give_back(50)
    assert await begun(*readers) == [True, False, False]
    memory.give_back(50)
    assert await begun(*readers) == [True, True, True]
