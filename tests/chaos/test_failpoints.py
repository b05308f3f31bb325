"""A server that dies at any of its failpoints loses nothing."""

from collections import Counter
from pathlib import Path

import pytest

from chaos.failpoint_run import FailpointRun
from chaos.kill_driver import Plan
from chaos.processes import Setup
from tokferry_server.delivery.failpoints import POINTS


@pytest.mark.gate
@pytest.mark.timeout(300)
async def test_a_death_at_each_failpoint_loses_nothing(tmp_path: Path) -> None:
    setup = Setup(folder=tmp_path, claim=20, share=0.6)
    plan = Plan(events=100_000, kills=0, chunk=50, most_seconds=270)
    run = FailpointRun(setup, plan, times=1)
    report = await run.finish()
    assert report.findings.problems == []
    assert run.deaths == Counter(POINTS)
