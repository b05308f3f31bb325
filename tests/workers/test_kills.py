"""Workers that are killed one at a time, at any moment, lose and double nothing."""

import sys
from pathlib import Path

import pytest

from chaos.kill_driver import Plan
from chaos.processes import Setup
from chaos.worker_kills import WorkerKillRun


@pytest.mark.gate
@pytest.mark.timeout(300)
@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="processes are found in /proc"
)
async def test_workers_that_are_killed_lose_nothing(tmp_path: Path) -> None:
    plan = Plan(events=20_000, kills=10, after=(0.5, 1.5), most_seconds=280)
    setup = Setup(folder=tmp_path, seed=3, workers=2, fork=False)
    report = await WorkerKillRun(setup, plan).finish()
    found = report.findings
    assert found.problems == []
    assert report.kills == 10
    assert set(report.exits) == {0}
    assert len(found.taken | found.dead) == 20_000
