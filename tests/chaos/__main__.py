"""The whole proof: ``python -m chaos --events 1000000 --kills 150``."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from chaos.kill_driver import KillRun, Plan, table
from chaos.processes import Setup


def main() -> int:
    """Run it, print the table, and fail if anything was lost, changed or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("--claim", type=int, default=500, help="events a request")
    parser.add_argument("--plant", default="")
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    setup = Setup(
        folder=folder,
        seed=chosen.seed,
        share=chosen.share,
        claim=chosen.claim,
        plant=chosen.plant,
    )
    plan = Plan(events=chosen.events, kills=chosen.kills)
    report = asyncio.run(KillRun(setup, plan).finish())
    print(table(report))
    print(dict(report.findings.faults.most_common()))
    for problem in report.findings.problems:
        print(problem, file=sys.stderr)
    return 1 if report.findings.problems else 0


if __name__ == "__main__":
    sys.exit(main())
