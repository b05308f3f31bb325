"""A caller that is faster than TikTok is held back, then refused; memory is bounded."""

from pathlib import Path

import pytest

from chaos.flood import flood, unread
from chaos.processes import Setup

_MIB = 2**20


@pytest.mark.gate
@pytest.mark.timeout(200)
async def test_a_fast_caller_of_a_slow_tiktok_is_held_back_then_refused(
    tmp_path: Path,
) -> None:
    setup = Setup(
        folder=tmp_path,
        pace=1.0,
        share=0.0,
        claim=1000,
        read_timeout=10.0,
        max_bytes=4 * _MIB,
        full=4.0,
        scale=1.0,
        fork=False,
    )
    flooded = await flood(setup, streams=100, seconds=20)
    assert flooded.findings.problems == []
    assert flooded.findings.acked
    assert set(flooded.statuses) == {"RESOURCE_EXHAUSTED"}
    assert flooded.peak <= 256 * _MIB


@pytest.mark.gate
@pytest.mark.timeout(200)
async def test_streams_that_nobody_reads_cost_little_memory(tmp_path: Path) -> None:
    setup = Setup(folder=tmp_path, share=0.0, claim=1000, scale=1.0, fork=False)
    flooded = await unread(setup, streams=100)
    assert flooded.sent > 100
    assert flooded.after - flooded.before <= 40 * _MIB
