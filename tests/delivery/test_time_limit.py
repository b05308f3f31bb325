"""A limit of time does what ``asyncio.timeout`` does."""

import asyncio
import contextlib
import gc
import weakref
from typing import Any

import pytest

from tokferry_server.delivery.time_limit import TimeLimit


@contextlib.asynccontextmanager
async def limit(seconds: float) -> Any:
    with TimeLimit(seconds):
        yield


BOTH = pytest.mark.parametrize("limited", [limit, asyncio.timeout])


@BOTH
async def test_what_takes_too_long_is_ended(limited: Any) -> None:
    with pytest.raises(TimeoutError):
        async with limited(0.01):
            await asyncio.sleep(60)
    await asyncio.sleep(0)  # nothing of a cancellation is left


@BOTH
async def test_what_is_done_in_time_goes_on(limited: Any) -> None:
    async with limited(0.01):
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)


@BOTH
async def test_an_error_comes_through(limited: Any) -> None:
    with pytest.raises(ValueError, match="made up"):
        async with limited(60):
            raise ValueError("made up")


@BOTH
async def test_a_cancellation_from_elsewhere_stays_one(limited: Any) -> None:
    async def limited_sleep() -> None:
        async with limited(60):
            await asyncio.sleep(60)

    task = asyncio.create_task(limited_sleep())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@BOTH
async def test_a_cancellation_while_it_ends_stays_one(limited: Any) -> None:
    async def cancelled_twice() -> None:
        async with limited(0.01):
            try:
                await asyncio.sleep(60)
            finally:
                asyncio.current_task().cancel()  # type: ignore[union-attr]

    task = asyncio.create_task(cancelled_twice())
    with pytest.raises(asyncio.CancelledError):
        await task


@BOTH
async def test_the_inner_one_of_two_ends_first(limited: Any) -> None:
    async with limited(60):
        with pytest.raises(TimeoutError):
            async with limited(0.01):
                await asyncio.sleep(60)


async def test_it_is_freed_without_looking_for_cycles() -> None:
    class Watched(TimeLimit):
        pass  # it can be referred to weakly

    gc.disable()
    try:
        one = Watched(60)
        gone = weakref.ref(one)
        with one:
            await asyncio.sleep(0)
        del one
        assert gone() is None
    finally:
        gc.enable()


def test_there_is_nothing_to_limit_without_a_task() -> None:
    async def tried() -> None:
        found: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

        def outside() -> None:
            try:
                TimeLimit(60).__enter__()
            except RuntimeError as error:
                found.set_result(error)

        asyncio.get_running_loop().call_soon(outside)
        assert "task" in str(await found)

    asyncio.run(tried())
