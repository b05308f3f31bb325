"""A TikTok that fails with every event that it has not seen before."""

from pathlib import Path

import pytest

from chaos.calm_run import CalmRun
from chaos.kill_driver import Plan, table
from chaos.processes import Setup

_A_REQUEST = 1000


@pytest.mark.gate
@pytest.mark.timeout(300)
async def test_events_that_all_fail_at_first_are_all_delivered(tmp_path: Path) -> None:
    events = 20_000
    plan = Plan(events=events, kills=0, chunk=250, most_seconds=280)
    setup = Setup(folder=tmp_path, first=True, share=0.0, claim=_A_REQUEST)
    report = await CalmRun(setup, plan).finish()
    print(table(report))
    found = report.findings
    assert found.problems == []
    assert len(found.taken) == events
    assert not found.dead
    assert not found.pending
    assert found.requests <= 12 * events / _A_REQUEST
    failed = found.requests - found.faults["none"]
    assert failed >= events / _A_REQUEST
