"""Measures the outbox beside the disk it stands on, and prints a table.

``python tests/bench/bench_outbox.py [--rows 1000000] [--known 5000000] [--folder …]``
"""

import argparse
import asyncio
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tokferry_server.delivery.outbox.interface import KNOWN_KEY_SECONDS, NewRow
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox, settling
from tokferry_server.delivery.outbox.sqlite.commits import Commits
from tokferry_server.delivery.outbox.sqlite.known_keys import KnownKeys
from tokferry_server.delivery.outbox.sqlite.store import Store
from tokferry_server.delivery.outbox.sqlite.task import Kind
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

    for callers in (1, 8, 64):
        calls = [put(PUT) for _ in range(40_000 // PUT)]
        await measure(f"put 100 x 1 KB, {callers} at once", calls, callers=callers)
    for callers in (1, 16):
        calls = [put(1) for _ in range(400 * callers)]
        await measure(f"put one row, {callers} at once", calls, callers=callers)
    for _ in range(max(0, rows - 130_000) // (10 * PUT)):
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

    async def drain() -> int:
        ids = [row.id for row in await box.claim("shop", CLAIM, now)]
        await box.sending(ids, now)
        await box.settle(ids, now)
        return len(ids)

    times = min(20, pending // CLAIM // 3)
    await measure(f"ready, {pending:,} pending", [ready] * 50)
    await measure(f"claim 1,000, {pending:,} pending", [claim] * times)
    await measure(f"settle 1,000, {pending:,} pending", [settle] * times)
    for callers in (1, 4):
        name = f"claim, note, settle 1,000, {callers} at once"
        await measure(name, [drain] * times, callers=callers)


def remember(store: Store, number: int) -> None:
    """Fill the table of known keys, half of them past their time."""
    store.names.connection("shop")
    store.db.execute("BEGIN")
    store.db.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) "
        "INSERT INTO delivered (id, at, connection, mark, label) SELECT i, "
        "?2 - 2 * ?3 * (1 - 1.0 * i / ?1), 1, randomblob(20), '' FROM n",
        (number, time.time(), KNOWN_KEY_SECONDS),
    )
    store.db.execute(
        "INSERT INTO known SELECT substr(mark, 1, 12), id FROM delivered ORDER BY 1"
    )
    store.db.execute("UPDATE meta SET next_id = ?1 + 1, flushed_id = ?1", (number,))
    store.db.execute("COMMIT")


async def prunes(path: Path, known: int) -> None:
    """Put and settle while millions of keys are known, and half of them are old."""
    box = await SqliteOutbox.open(path)
    await box.writer.submit(Kind.READ, partial(remember, number=known))
    await box.close()
    start = time.perf_counter()
    box = await SqliteOutbox.open(path)
    print(f"opened with {known:,} keys in {time.perf_counter() - start:.2f} s")
    longest: dict[str, float] = {}

    def timed(owner: object, name: str) -> None:
        work = getattr(owner, name)

        def call(*given: Any) -> Any:
            cpu = time.thread_time()
            try:
                return work(*given)
            finally:
                took = time.thread_time() - cpu
                longest[name] = max(took, longest.get(name, 0.0))

        setattr(owner, name, call)

    timed(Commits, "write")
    timed(KnownKeys, "_sweep")
    timed(KnownKeys, "write_some")
    timed(settling, "forget_old")
    numbers = itertools.count()

    async def turn() -> int:
        for _ in range(10):
            await box.put(new_rows(numbers, PUT))
        rows = await box.claim("shop", 10 * PUT, time.time() + 1)
        await box.settle([row.id for row in rows], time.time())
        return len(rows)

    await measure(f"put and settle, {known:,} keys", [turn] * 150, callers=4)
    parts = ", ".join(f"{name} {took * 1e3:.1f}" for name, took in longest.items())
    print(f"the longest of each, in ms of processor time: {parts}")
    await box.close()


async def main(rows: int, known: int, under: Path | None) -> None:
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
        if known:
            await prunes(path.with_name("known.sqlite3"), known)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000, help="rows to have pending")
    parser.add_argument("--known", type=int, default=0, help="keys to know")
    parser.add_argument("--folder", type=Path, help="on which disk (default: /tmp)")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.rows, arguments.known, arguments.folder))
