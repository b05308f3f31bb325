"""Measures the outbox beside the disk it stands on, and prints a table.

``python tests/bench/bench_outbox.py [--rows 1000000] [--folder DIRECTORY]``
"""

import argparse
import asyncio
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from tokferry_server.delivery.outbox.interface import NewRow
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox
from tokferry_server.tiktok.wire import Route

ROUTE = Route(wire_format="events_2", event_source="web", event_source_id="PIXEL0001")
BODY_BYTES = 1_000
PUT = 100
CLAIM = 1_000


def new_rows(numbers: Iterator[int], count: int) -> list[NewRow]:
    """Make rows whose bodies differ, as those of events do."""
    return [
        NewRow(
            connection="shop",
            route=ROUTE,
            event="Purchase",
            event_id=f"b7c1f2e0-{number:012x}",
            body=f"{number:016x}".encode().ljust(BODY_BYTES, b"."),
            time_ms=1_790_000_000_000,
        )
        for number in itertools.islice(numbers, count)
    ]


def show(what: str, events: int, times: list[float], cpu: float, took: float) -> None:
    """Print one line of the table."""
    times = sorted(times)
    middle, high = times[len(times) // 2], times[int(len(times) * 0.99)]
    print(
        f"{what:44}{events / took:12,.0f}{middle * 1e3:10.2f}{high * 1e3:10.2f}"
        f"{cpu / events * 1e6:10.1f}"
    )


async def measure(
    what: str, calls: list[Callable[[], Awaitable[int]]], *, callers: int = 1
) -> None:
    """Run calls by some callers at once; each gives the events that it moved."""
    times: list[float] = []
    waiting = iter(calls)
    events = 0

    async def caller() -> None:
        nonlocal events
        for call in waiting:
            start = time.perf_counter()
            moved = await call()
            events += moved
            times.append(time.perf_counter() - start)

    start, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*[caller() for _ in range(callers)])
    took, cpu = time.perf_counter() - start, time.process_time() - cpu
    show(what, events, times, cpu, took)


async def floor(folder: Path, writes: int) -> None:
    """What the disk itself takes: the same bytes, written and synced by nobody else."""
    file = os.open(folder / "floor", os.O_RDWR | os.O_CREAT, 0o600)
    data = os.urandom(PUT * BODY_BYTES)

    async def write() -> int:
        os.write(file, data)
        os.fdatasync(file)
        return PUT

    await measure("the disk: write and sync 100 x 1 KB", [write] * writes)
    os.close(file)


async def puts(box: SqliteOutbox, numbers: Iterator[int], rows: int) -> None:
    """Put rows in calls of a hundred, and of one."""

    def put(count: int) -> Callable[[], Awaitable[int]]:
        new = new_rows(numbers, count)

        async def call() -> int:
            await box.put(new)
            return count

        return call

    for callers in (1, 4):
        calls = [put(PUT) for _ in range(20_000 // PUT)]
        await measure(f"put 100 x 1 KB, {callers} at once", calls, callers=callers)
    for callers in (1, 16):
        calls = [put(1) for _ in range(400 * callers)]
        await measure(f"put one row, {callers} at once", calls, callers=callers)
    for _ in range(max(0, rows - 50_000) // (10 * PUT)):
        await asyncio.gather(*[put(PUT)() for _ in range(10)])


async def takes(box: SqliteOutbox) -> None:
    """Ask for rows, claim and settle them, with many pending."""
    pending = (await box.stats())["shop"].pending
    held: list[list[int]] = []
    now = time.time() + 1

    async def claim() -> int:
        held.append([row.id for row in await box.claim("shop", CLAIM, now)])
        return len(held[-1])

    async def settle() -> int:
        ids = held.pop()
        await box.settle(ids, now)
        return len(ids)

    async def ready() -> int:
        await box.ready(now)
        return 1

    times = min(40, pending // CLAIM)
    await measure(f"ready, {pending:,} pending", [ready] * 50)
    await measure(f"claim 1,000, {pending:,} pending", [claim] * times)
    await measure(f"settle 1,000, {pending:,} pending", [settle] * times)


async def main(rows: int, under: Path | None) -> None:
    """Measure everything in a folder that is deleted afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="tokferry-bench-", dir=under))
    path = folder / "state" / "outbox.sqlite3"
    print(f"{'':44}{'events/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'CPU us':>10}")
    try:
        await floor(folder, 200)
        box = await SqliteOutbox.open(path)
        await puts(box, itertools.count(), rows)
        await floor(folder, 200)
        await takes(box)
        await box.close()
        start = time.perf_counter()
        box = await SqliteOutbox.open(path)
        took = time.perf_counter() - start
        print(f"opened in {took:.2f} s, {path.stat().st_size / 2**20:,.0f} MiB")
        await box.close()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000, help="rows to have pending")
    parser.add_argument("--folder", type=Path, help="on which disk (default: /tmp)")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.rows, arguments.folder))
