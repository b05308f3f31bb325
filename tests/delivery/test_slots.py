"""Whoever waits for a place gets one by turns, and leaves none taken behind."""

import asyncio
from contextvars import copy_context
from functools import partial

import pytest

from tokferry_server.delivery.slots import Slots, asker


def entering(slots: Slots, who: str, seconds: float = 60) -> asyncio.Task[bool]:
    """Ask for a place in the name of somebody."""
    context = copy_context()
    context.run(asker.set, who)
    by = asyncio.get_running_loop().time() + seconds
    return asyncio.get_running_loop().create_task(slots.enter(by), context=context)


async def test_a_place_goes_to_each_asker_in_turn() -> None:
    slots = Slots(1)
    assert await entering(slots, "flood")
    order: list[str] = []
    tasks = []

    def note(who: str, _: asyncio.Task[bool]) -> None:
        order.append(who)

    for who in ("flood", "flood", "flood", "polite", "other", "polite"):
        task = entering(slots, who)
        task.add_done_callback(partial(note, who))
        tasks.append(task)
    await asyncio.sleep(0)
    for _ in tasks:
        slots.leave()
        await asyncio.sleep(0.001)
    assert order == ["flood", "polite", "other", "flood", "polite", "flood"]


async def test_who_waits_too_long_or_goes_away_takes_no_place() -> None:
    slots = Slots(1)
    assert await entering(slots, "a")
    assert not await entering(slots, "a", 0.01)
    gone, next_one = entering(slots, "a"), entering(slots, "b")
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    slots.leave()
    assert await next_one


async def test_a_place_that_is_given_to_who_just_went_away_goes_on() -> None:
    slots = Slots(1)
    assert await entering(slots, "a")
    gone = entering(slots, "a")
    await asyncio.sleep(0)
    slots.leave()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await entering(slots, "b", 0)


async def test_a_place_is_not_given_to_who_is_about_to_go() -> None:
    slots = Slots(1)
    assert await entering(slots, "a")
    gone, next_one = entering(slots, "a"), entering(slots, "b")
    await asyncio.sleep(0)
    gone.cancel()
    slots.leave()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await next_one
    slots.leave()
    assert await entering(slots, "c", 0)
