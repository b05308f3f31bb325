"""Calls are taken up by turns of their connections, no faster than they are done."""

import asyncio
from functools import partial

from tokferry_server.rpc.turns import MOST_OF_ONE, Turn, Turns

CALL = "/made.Up/Call"
OTHER = "/made.Up/Other"


class Begun(list[str]):
    """The calls that were taken up, in the order in which they were."""

    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self._turns = turns

    def put(self, *calls: str, method: str = CALL) -> None:
        for call in calls:  # the first letter is the connection
            self._turns.put(method, call[0], partial(self.append, call))


async def test_each_connection_has_its_turn() -> None:
    turns = Turns(at_work=1, work_seconds=60)
    begun = Begun(turns)
    begun.put("a1", "a2", "a3", "b1", "b2", "c1", "a4")
    for _ in range(6):
        turns.worked()
    assert begun == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]
    assert turns.waiting == 0


async def test_each_method_has_its_turn() -> None:
    turns = Turns(at_work=1, work_seconds=60)
    begun = Begun(turns)
    begun.put("a1", "a2", "b1")
    begun.put("c1", "c2", method=OTHER)
    for _ in range(4):
        turns.worked()
    assert begun == ["a1", "a2", "c1", "b1", "c2"]


async def test_no_more_calls_are_taken_up_than_are_worked_off() -> None:
    turns = Turns(at_work=2, work_seconds=60)
    begun = Begun(turns)
    begun.put("a1", "a2", "a3")
    begun.put("a4", method=OTHER)
    await asyncio.sleep(0.01)
    assert begun == ["a1", "a2"]
    assert turns.waiting == 2
    turns.worked()
    assert begun == ["a1", "a2", "a3"]
    turns.worked()
    assert begun == ["a1", "a2", "a3", "a4"]


async def test_who_comes_later_does_not_get_ahead() -> None:
    turns = Turns(at_work=1, work_seconds=0.01)
    begun = Begun(turns)
    begun.put("a1", "a2")
    await asyncio.sleep(0.02)
    begun.put("b1")
    assert begun[:2] == ["a1", "a2"]


async def test_a_call_that_waits_for_something_holds_nobody_up() -> None:
    turns = Turns(at_work=1, work_seconds=0.01)
    Begun(turns).put("a1", "a2")
    begun = asyncio.Event()
    turns.put(CALL, "a", begun.set)
    await asyncio.wait_for(begun.wait(), 5)


async def test_a_turn_is_given_back_once() -> None:
    turns = Turns(at_work=1, work_seconds=60)
    begun = Begun(turns)
    begun.put("a1", "a2")
    begun.put("a3", method=OTHER)
    mine = Turn(turns)
    for _ in range(2):
        mine.give_back()
    assert begun == ["a1", "a2"]
    Turn().give_back()  # of a call that nobody counts


async def test_of_one_connection_the_oldest_go() -> None:
    turns = Turns(at_work=1, work_seconds=60)
    begun = Begun(turns)
    begun.put("a", *(f"a{number}" for number in range(MOST_OF_ONE + 3)))
    assert turns.waiting == MOST_OF_ONE
    turns.worked()
    assert begun == ["a", "a3"]
