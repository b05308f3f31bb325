"""An hour of the real server under a steady load, faults, and secrets that change."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from soak.bounds import table
from soak.run import Plan, machine, soak, told
from soak.service import Faults

_LEAST_DISK: Final = 10 * 10**9


def main() -> int:
    """Run it, print what it came to, and fail if a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument(
        "--rate",
        type=float,
        default=0.0,
        help="events a second; default: 0.6 of what one core can do, at most --most",
    )
    parser.add_argument("--most", type=float, default=2000.0)
    parser.add_argument(
        "--share", type=float, default=0.05, help="of requests that TikTok fails"
    )
    parser.add_argument(
        "--rotate",
        type=float,
        default=180.0,
        help="seconds between rotations of a kind",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="an empty one, which is kept")
    chosen = parser.parse_args()
    plan = Plan(
        seconds=chosen.minutes * 60,
        rate=chosen.rate,
        most=chosen.most,
        rotate=chosen.rotate,
        faults=Faults(share=chosen.share, throttle_seconds=120.0, seed=chosen.seed),
    )
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < _LEAST_DISK:
        print(f"soak: {folder} has less than 10 GB of room", file=sys.stderr)
        return 2
    print(f"soak: in {folder}; {machine()}", flush=True)
    report = asyncio.run(soak(folder, plan))
    rows = report.rows()
    print(
        f"{report.seconds / 60:.1f} min at {report.rate:,.0f} events/s, "
        f"{report.rate / report.capacity:.0%} of what one core can do; "
        f"the server took {report.cpu:.0%} of one; {machine()}"
    )
    print(f"calls: {dict(report.calls)}; begun late: {report.late}")
    print(f"answers: {dict(report.outcomes)}")
    print(f"requests to TikTok: {report.sums.requests:,}, {dict(report.sums.faults)}")
    print(f"rotations: {dict(report.rotations)}; dead letters: {report.sums.dead}")
    print(table(rows))
    if problems := told(report):
        print(problems, file=sys.stderr)
    failed = any(one.holds is False and one.fails for one in rows)
    if not failed and chosen.folder is None:
        shutil.rmtree(folder)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
