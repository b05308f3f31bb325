"""Work beside the calls does not end unseen."""

import asyncio

import pytest

from tokferry_server import background


async def _look_after_something() -> None:
    raise KeyError("user@example.com")


async def test_work_that_fails_is_told_without_what_the_error_says(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await asyncio.wait([background.begin(_look_after_something())])
    [record] = caplog.records
    assert record.getMessage() == (
        "_look_after_something is done no more, as it failed with KeyError: "
        "restart the server"
    )
    assert record.exc_info is None


async def test_work_that_is_cancelled_is_not_worth_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = background.begin(asyncio.sleep(60))
    task.cancel()
    await asyncio.wait([task])
    assert caplog.records == []
