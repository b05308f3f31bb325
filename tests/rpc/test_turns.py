"""Calls are taken up by turns of their connections, no faster than they are done."""

import asyncio

import pytest

from tokferry_server.rpc.turns import MOST_OF_ONE, Turn, Turns

CALL = b"/made.Up/Call"
OTHER = b"/made.Up/Other"


def begun(turns: Turns, call: int, method: bytes = CALL) -> asyncio.Future[int]:
    taker = turns.take(method)
    turns.put(method, "a", call)
    return taker


async def test_each_connection_has_its_turn() -> None:
    turns = Turns()
    first = turns.take(CALL)
    for call in ("a1", "a2", "a3", "b1", "b2", "c1"):
        turns.put(CALL, call[0], call)
    found = [first, *(turns.take(CALL) for _ in range(5))]
    assert [await one for one in found] == ["a1", "a2", "b1", "c1", "a3", "b2"]
    assert turns.waiting == 0


async def test_no_more_calls_are_taken_up_than_are_worked_off() -> None:
    turns = Turns(at_work=2, work_seconds=60)
    for number in range(2):
        begun(turns, number)
    waits, other = begun(turns, 2), begun(turns, 3, OTHER)
    await asyncio.sleep(0.01)
    assert not waits.done()
    assert not other.done()
    turns.worked()
    assert (await waits, other.done()) == (2, False)
    turns.worked()
    assert await other == 3


async def test_a_call_that_waits_for_something_holds_nobody_up() -> None:
    turns = Turns(at_work=1, work_seconds=0.01)
    for number in range(3):
        assert await asyncio.wait_for(begun(turns, number), 5) == number


async def test_a_turn_is_given_back_once() -> None:
    turns = Turns(at_work=1, work_seconds=60)
    begun(turns, 0)
    mine = Turn(turns)
    waits, other = begun(turns, 1), begun(turns, 2, OTHER)
    for _ in range(2):
        mine.give_back()
    assert (await waits, other.done()) == (1, False)
    Turn().give_back()  # of a call that nobody counts


async def test_of_one_connection_the_oldest_go() -> None:
    turns = Turns()
    assert await begun(turns, -1) == -1
    for number in range(MOST_OF_ONE + 3):
        turns.put(CALL, "a", number)
    assert turns.waiting == MOST_OF_ONE
    assert await turns.take(CALL) == 3


async def test_an_error_of_grpc_reaches_who_waits() -> None:
    turns = Turns()
    taker = turns.take(CALL)
    turns.fail(CALL, ValueError("made up"))
    with pytest.raises(ValueError, match="made up"):
        await taker
