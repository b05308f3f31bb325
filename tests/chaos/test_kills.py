"""A server that is killed at any moment loses, changes and doubles nothing."""

from pathlib import Path

import pytest

from chaos.kill_driver import KillRun, Plan, table
from chaos.processes import Setup


async def test_a_server_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    plan = Plan(events=5_000, kills=3, most_seconds=90)
    report = await KillRun(Setup(folder=tmp_path, claim=50), plan).finish()
    assert report.findings.problems == []
    assert report.kills >= 3
    assert len(report.findings.taken | report.findings.dead) == 5_000


@pytest.mark.gate
@pytest.mark.timeout(600)
async def test_twenty_kills_lose_none_of_a_hundred_thousand(tmp_path: Path) -> None:
    plan = Plan(events=100_000, kills=20, most_seconds=540)
    report = await KillRun(Setup(folder=tmp_path, seed=2), plan).finish()
    print(table(report))
    found = report.findings
    assert found.problems == []
    assert report.kills >= 20
    assert len(found.taken | found.dead) == 100_000
    assert len(found.faults) == 14
    assert report.peak < 256 * 2**20
