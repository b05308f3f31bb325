"""Who has called and gone leaves no memory, no file and no task behind."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import h2load
from hostile.conftest import Service
from hostile.leaks import KINDS, Kind

GROWTH = 40 * 2**20
WARM_UP = 2_000
SECONDS = 60.0
AT_ANY_TIME = 2  # files and tasks that come and go by themselves


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
        if now[0] <= files + AT_ANY_TIME and now[1] <= tasks + AT_ANY_TIME:
            break
        await asyncio.sleep(0.2)
    return now


async def settled(service: Service, memory: int) -> int:
    """Wait until what was freed is given back, which takes some seconds; give it."""
    for _ in range(120):
        if service.resident - memory < GROWTH:
            break
        await asyncio.sleep(0.5)
    return service.resident


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
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
    kind: Kind,
    count: int,
) -> None:
    program(h2load.PROGRAM, h2load.INSTALL)
    many = round(count * kind.share)
    await kind.make(service, round(WARM_UP * kind.share))
    files, tasks = await quiet(service)
    memory, began = service.resident, time.monotonic()
    await kind.make(service, many)
    seconds, most = time.monotonic() - began, service.resident
    files_now, tasks_now = await back_to(service, files, tasks)
    assert files_now <= files + AT_ANY_TIME
    assert tasks_now <= tasks + AT_ANY_TIME
    now = await settled(service, memory)
    with capsys.disabled():
        print(
            f"\n{many} {kind.name} in {seconds:.0f} s: "
            f"{(most - memory) / 2**20:+.1f} MiB at the end of them, "
            f"{(now - memory) / 2**20:+.1f} MiB after it"
        )
    assert now - memory < GROWTH
    await service.alive()
