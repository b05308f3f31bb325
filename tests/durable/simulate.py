"""Play many seeds: python tests/durable/simulate.py --seeds 10000 [--first N]."""

import argparse
import logging
import multiprocessing
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from durable.simulation.scenario import Result, simulate

_TELL: Final = 1000


def main() -> int:
    """Play them, print a summary, and fail if any seed has a problem."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--processes", type=int, default=1)
    chosen = parser.parse_args()
    began = time.monotonic()
    logging.disable()
    results = []
    for result in _play(chosen):
        results.append(result)
        if len(results) % _TELL == 0:
            _say(f"{len(results)} seeds after {time.monotonic() - began:.0f} s")
    bad = [result for result in results if result.problems]
    for result in bad[:10]:
        _say(f"seed {result.seed}: {result.problems[:3]}")
    _say(
        f"{len(results)} seeds x {chosen.steps} steps, {len(bad)} with problems:"
        f" {_sum(results, 'accepted')} events, {_sum(results, 'delivered')} delivered,"
        f" {_sum(results, 'dead')} dead, {_sum(results, 'requests')} requests,"
        f" {_sum(results, 'resends')} resends dropped by TikTok,"
        f" {_sum(results, 'deaths')} crashes and restarts,"
        f" {sum(one.hours for one in results) / 24:.0f} days of virtual time,"
        f" {time.monotonic() - began:.0f} s"
    )
    return 1 if bad else 0


def _play(chosen: argparse.Namespace) -> Iterator[Result]:
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    steps = [chosen.steps] * len(seeds)
    if chosen.processes == 1:
        yield from map(simulate, seeds, steps)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(chosen.processes, spawn) as pool:
        yield from pool.map(simulate, seeds, steps, chunksize=8)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _sum(results: list[Result], name: str) -> int:
    return sum(getattr(result, name) for result in results)


if __name__ == "__main__":
    sys.exit(main())
