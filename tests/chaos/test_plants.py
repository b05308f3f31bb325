"""Faults planted in the server are seen by the checker."""

from pathlib import Path

import pytest

from chaos.kill_driver import KillRun, Plan
from chaos.plants import PLANTS
from chaos.processes import Setup

_RUNS = 10


@pytest.mark.gate
@pytest.mark.timeout(400)
@pytest.mark.parametrize("plant", ["", *PLANTS])
async def test_a_planted_fault_is_seen_within_ten_runs(
    tmp_path: Path, plant: str
) -> None:
    """Without one, and with the small outbox of one of them, all is in order."""
    full = plant in ("", "drop on full")
    for seed in range(1, _RUNS + 1):
        folder = tmp_path / str(seed)
        folder.mkdir()
        setup = Setup(
            folder=folder,
            seed=seed,
            plant=plant,
            claim=50,
            share=0.5,
            max_rows=500 if full else 5_000_000,
            pace=10.0 if full else 0.0,
        )
        plan = Plan(events=3_000, kills=3, most_seconds=60)
        found = (await KillRun(setup, plan).finish()).findings
        if not plant:
            assert found.problems == []
            return
        if found.changed if plant == "new id on retry" else found.lost:
            return
    pytest.fail(f"{plant}: not seen in {_RUNS} runs")
