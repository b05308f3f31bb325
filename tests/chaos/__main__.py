"""The whole proof: kills at random moments, of the server and of the bulk command, at
every failpoint, bad answers, and a flood.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from chaos.calm_run import CalmRun
from chaos.checker import Findings
from chaos.failpoint_run import FailpointRun
from chaos.flood import flood
from chaos.kill_driver import KillRun, Plan, table
from chaos.processes import Setup
from chaos.resume_run import ResumeRun, line

_MIB = 2**20
_A_REQUEST = 1000
_MOST_TIMES = 12


async def kills(chosen: argparse.Namespace, folder: Path) -> Findings:
    """Kill the server at random moments."""
    setup = Setup(
        folder=folder,
        seed=chosen.seed,
        share=chosen.share,
        claim=chosen.claim,
        plant=chosen.plant,
    )
    plan = Plan(events=chosen.events, kills=chosen.kills)
    report = await KillRun(setup, plan).finish()
    print(table(report))
    print(dict(report.findings.faults.most_common()))
    return report.findings


async def failpoints(chosen: argparse.Namespace, folder: Path) -> Findings:
    """Let it die at each failpoint so many times."""
    setup = Setup(folder=folder, seed=chosen.seed, share=0.6, claim=20)
    plan = Plan(events=100_000_000, kills=0, chunk=50, most_seconds=7200)
    run = FailpointRun(setup, plan, times=chosen.times)
    report = await run.finish()
    print(f"deaths at failpoints: {dict(run.deaths)}")
    print(table(report))
    return report.findings


async def first(chosen: argparse.Namespace, folder: Path) -> Findings:
    """Fail with every event that comes for the first time."""
    setup = Setup(
        folder=folder, seed=chosen.seed, first=True, share=0.0, claim=_A_REQUEST
    )
    plan = Plan(events=chosen.events // 5, kills=0, chunk=250)
    report = await CalmRun(setup, plan).finish()
    print(table(report))
    found = report.findings
    print(dict(found.faults.most_common()))
    if found.dead or len(found.taken) != plan.events:
        found.problems.append(f"{len(found.taken)} taken, {len(found.dead)} dead")
    if found.requests > _MOST_TIMES * plan.events / _A_REQUEST:
        found.problems.append(f"{found.requests} requests for {plan.events} events")
    return found


async def slow(chosen: argparse.Namespace, folder: Path) -> Findings:
    """Send more than TikTok takes."""
    setup = Setup(
        folder=folder,
        seed=chosen.seed,
        pace=1.0,
        share=0.0,
        claim=1000,
        read_timeout=10.0,
        max_bytes=16 * _MIB,
        full=5.0,
        scale=1.0,
        fork=False,
    )
    flooded = await flood(setup, streams=100, seconds=60 * chosen.minutes)
    print(f"flood: RSS max {flooded.peak / _MIB:.0f} MiB, {dict(flooded.statuses)}")
    return flooded.findings


async def resumed(chosen: argparse.Namespace, folder: Path) -> Findings:
    """Kill the bulk command ten times and resume it, in each way to forward."""
    found = Findings()
    for way in ("sync", "durable"):
        (folder / way).mkdir(exist_ok=True)
        setup = Setup(
            folder=folder / way,
            seed=chosen.seed,
            share=0.0,
            scale=1.0,
            claim=1000,
            read_timeout=10.0,
        )
        run = ResumeRun(setup, events=chosen.resumed, kills=10, way=way)
        report = await run.finish()
        print(line(report), flush=True)
        found.problems += [f"{way}: {problem}" for problem in report.problems]
    return found


PARTS = {
    "kills": kills,
    "failpoints": failpoints,
    "first": first,
    "slow": slow,
    "resumed": resumed,
}


def main() -> int:
    """Run the parts, print what they came to, and fail if any finds a problem."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; default all")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument(
        "--resumed", type=int, default=1_000_000, help="events of the bulk command"
    )
    parser.add_argument("--kills", type=int, default=150)
    parser.add_argument("--times", type=int, default=25, help="deaths at a failpoint")
    parser.add_argument("--minutes", type=float, default=10, help="of a flood")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=0.3, help="of failing requests")
    parser.add_argument("--claim", type=int, default=500, help="events a request")
    parser.add_argument("--plant", default="", help="a fault to plant")
    parser.add_argument("--folder", type=Path, help="where the histories go")
    chosen = parser.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    failed = False
    for name in chosen.parts or PARTS:
        (folder / name).mkdir(parents=True, exist_ok=True)
        found = asyncio.run(PARTS[name](chosen, folder / name))
        for problem in found.problems:
            print(f"{name}: {problem}", file=sys.stderr)
        failed = failed or bool(found.problems)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
