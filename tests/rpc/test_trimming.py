"""What was freed goes back to the system."""

import asyncio

import pytest

from tokferry_server.rpc.trimming import GROWTH_BYTES, keep_trimmed, trimmer
from tokferry_server.telemetry.vitals import resident_bytes


async def test_memory_is_trimmed_when_it_has_grown_and_while_that_helps() -> None:
    resident = [100 * 2**20]
    gains = [0, 30 * 2**20, 0, 0, 2 * 2**20, *[0] * 7]
    trims: list[int] = []

    def trim() -> None:
        trims.append(resident[0])
        resident[0] -= gains.pop(0)

    task = asyncio.create_task(
        keep_trimmed(resident=lambda: resident[0], trim=trim, every=0.001)
    )
    await asyncio.sleep(0)  # it looks for the first time
    resident[0] += GROWTH_BYTES
    await asyncio.sleep(0.05)
    assert not trims
    resident[0] += 1  # more than that since the start
    await asyncio.sleep(0.5)
    task.cancel()
    start = 116 * 2**20 + 1
    assert trims == [start] * 2 + [start - 30 * 2**20] * 3 + [start - 32 * 2**20] * 6


def test_trimming_gives_freed_memory_back() -> None:
    trim = trimmer()
    if trim is None:
        pytest.skip("the C library has no malloc_trim")
    pieces = [bytearray(4000) for _ in range(30_000)]
    kept = pieces[::500]
    before = resident_bytes()
    del pieces
    trim()
    assert before - resident_bytes() > 50 * 2**20
    assert len(kept) == 60
