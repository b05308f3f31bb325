"""`make bench`: measures everything, prints one table, writes it into RESULTS.md."""

import argparse
import asyncio
import os
import time
from pathlib import Path
from typing import Final

import uvloop

from bench import (
    cold,
    delivery,
    growth,
    mapping,
    plot,
    posts,
    report,
    report_calls,
    rpc,
    sorts,
    table,
)
from bench.machine import described
from bench.section import replaced
from bench.timing import Timed

HERE: Final = Path(__file__).parent
RESULTS: Final = HERE / "RESULTS.md"
PICTURE: Final = HERE / "growth.png"
HEADING: Final = "## Speed"
_INTRODUCTION: Final = """\
`make bench` measures everything in one run, in turns, and writes this section. Figures
are medians; ratios are medians over the rounds, so that what upsets the machine upsets
both sides. Times of code are CPU time. A purchase has 3 products, 3 identities,
attributes, flags and consents, and comes from the web and from an app; a shop's day has
every type of event in about its share. The caller is Python's grpc.aio with bytes that
are ready, or h2load, which takes little of the machine and whose calls all ended in
gRPC's OK; the sink is the sandbox, counting only.
"""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--effort",
        type=float,
        default=1.0,
        help="how long to measure: 1 takes under five minutes; less is for a try",
    )
    parser.add_argument(
        "--dry", action="store_true", help="print only, leave RESULTS.md as it is"
    )
    arguments = parser.parse_args()
    load, start = os.getloadavg()[0], time.perf_counter()
    groups, grown = _measured(arguments.effort)
    machine = described(
        HERE.parents[1], load_before=load, seconds=time.perf_counter() - start
    )
    text = f"{table.written(groups)}\n"
    print(f"{machine}\n\n{text}")
    if not arguments.dry:
        plot.draw(grown, PICTURE)
        section = f"{_INTRODUCTION}\n{machine}\n\n{text}\n![growth]({PICTURE.name})"
        RESULTS.write_text(replaced(RESULTS.read_text(), HEADING, section))


def _measured(effort: float) -> tuple[list[table.Group], Timed]:
    _say("the mapping")
    mapped = mapping.run(_rounds(effort, 11))
    _say("growth")
    grown = growth.run(_rounds(effort, 11))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        _say("calls")
        costs = runner.run(rpc.run(_rounds(effort, 4), 0.3 * effort))
        workers, transports = (
            runner.run(rpc.run_apart(key, servers, _rounds(effort, 3), 0.7 * effort))
            for key, servers in (
                (sorts.SHORTEST, rpc.WORKERS),
                (sorts.ALONE, rpc.TRANSPORTS),
            )
        )
        _say("requests")
        posted = runner.run(posts.run(_rounds(effort, 5), 0.2))
        _say("delivery")
        delivered = runner.run(delivery.run_all(_rounds(effort, 3), 3.0 * effort))
        _say("cold start")
        started = runner.run(cold.run(_rounds(effort, 5)))
    groups = [
        report.mapping_group(mapped),
        report_calls.rpc_group(costs, workers, transports),
        report.posts_group(posted),
        report_calls.delivery_group(delivered),
        report.growth_group(grown),
        report.cold_group(started),
    ]
    return groups, grown


def _rounds(effort: float, most: int) -> int:
    return max(1, round(most * effort))


def _say(what: str) -> None:
    print(f"measuring {what} ...", flush=True)


if __name__ == "__main__":
    main()
