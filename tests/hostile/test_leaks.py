"""Who has called and gone leaves no memory, no file and no task behind."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import h2load
from hostile.conftest import Service
from hostile.leaks import KINDS

GROWTH = 40 * 2**20
WARM_UP = 2_000
SECONDS = 60.0


async def quiet(service: Service) -> tuple[int, int]:
    """Give files and tasks once nobody is there and no more of either goes."""
    seen = service.sockets, await service.tasks()
    for _ in range(3):
        await asyncio.sleep(1)
        seen = min(seen[0], service.sockets), min(seen[1], await service.tasks())
    return seen


async def back_to(service: Service, files: int, tasks: int) -> tuple[int, int]:
    """Wait until there are no more files and tasks than before, and give them."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        now = service.sockets, await service.tasks()
        if now[0] <= files and now[1] <= tasks:
            break
        await asyncio.sleep(0.2)
    return now


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(20_000, marks=pytest.mark.gate),
        pytest.param(1_000_000, marks=[pytest.mark.long, pytest.mark.timeout(3600)]),
    ],
)
async def test_callers_leave_nothing_behind(
    service: Service,
    program: Callable[[str, str], Path],
    capsys: pytest.CaptureFixture[str],
    count: int,
) -> None:
    program(h2load.PROGRAM, h2load.INSTALL)
    for kind in KINDS:
        await kind.make(service, round(WARM_UP * kind.share))
    files, tasks = await quiet(service)
    memory = service.resident
    for kind in KINDS:
        many, began = round(count * kind.share), time.monotonic()
        await kind.make(service, many)
        seconds = time.monotonic() - began
        grown = (service.resident - memory) / 2**20
        with capsys.disabled():
            print(f"\n{many} {kind.name}: {grown:+.1f} MiB in all, {seconds:.0f} s")
    assert await back_to(service, files, tasks) <= (files, tasks)
    assert service.resident - memory < GROWTH
    await service.alive()
