"""A server that is restarted in order refuses nobody but with UNAVAILABLE."""

import signal
from pathlib import Path

import pytest

from chaos.caller import CLIENT_SIDE
from chaos.kill_driver import KillRun, Plan
from chaos.processes import Setup

_DRAIN_S = 30.0


@pytest.mark.gate
@pytest.mark.timeout(400)
async def test_twenty_restarts_under_load_lose_nothing(tmp_path: Path) -> None:
    plan = Plan(
        events=40_000,
        kills=20,
        after=(0.2, 0.6),
        ending=signal.SIGTERM,
        most_seconds=380,
    )
    report = await KillRun(Setup(folder=tmp_path, share=0.1), plan).finish()
    assert report.findings.problems == []
    assert set(report.exits) == {0}
    assert report.kills >= 20
    said = {code for code, text in report.statuses if text != CLIENT_SIDE}
    assert said <= {"UNAVAILABLE"}
    assert report.slowest_end <= _DRAIN_S
