"""A process that dies at any failpoint loses nothing that it acknowledged."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from outbox.made import row, rows
from tokferry_server.delivery.failpoints import POINTS, VARIABLE
from tokferry_server.delivery.outbox.interface import (
    DeadFilter,
    OutboxBrokenError,
    OutboxError,
)
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox

TESTS = Path(__file__).parents[1]
CHILD = Path(__file__).with_name("crash_child.py")
OURS = [point for point in POINTS if point.startswith("outbox.")]


def run(path: Path, first: int, failpoints: str) -> subprocess.CompletedProcess[str]:
    paths = [str(TESTS), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, CHILD, path, str(first)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), VARIABLE: failpoints},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Ledger:
    """What the children said."""

    def __init__(self) -> None:
        self.tried: set[str] = set()
        self.put: set[str] = set()
        self.settled: set[str] = set()

    def read(self, text: str) -> None:
        for line in text.splitlines():
            word, *ids = line.split()
            if word == "try":
                self.tried.update(ids)
            elif word == "put":
                self.put.update(ids)
            elif word == "settled":
                self.settled.update(ids)


async def stored(path: Path) -> Counter[str]:
    box = await SqliteOutbox.open(path)
    try:
        rows = [*await box.claim("shop", 100_000, time.time() + 10)]
        rows += await box.dead(DeadFilter(), limit=100_000)
        for one in rows:
            number = one.event_id.removeprefix("id-")
            assert one.body == row(number).body
        return Counter(one.event_id for one in rows)
    finally:
        await box.close()


async def kill_and_check(path: Path, point: str, passes: list[int]) -> None:
    ledger = Ledger()
    for turn, number in enumerate(passes):
        done = run(path, turn * 1000, f"{point}=kill@{number}")
        assert done.returncode == -9, (done.returncode, done.stderr)
        ledger.read(done.stdout)
        found = await stored(path)
        present = set(found)
        assert max(found.values(), default=1) == 1
        ledger.settled |= _unsure(done.stdout) - present
        assert ledger.put - ledger.settled <= present
        assert present <= ledger.tried
        assert not present & ledger.settled


def _unsure(text: str) -> set[str]:
    """Rows whose settling was asked for last may be gone, though nobody was told."""
    last = ""
    for line in text.splitlines():
        if line.startswith("sending"):
            last = line
        elif line.startswith("settled"):
            last = ""
    return set(last.split()[1:])


@pytest.mark.parametrize("point", OURS)
async def test_a_kill_at_a_failpoint_loses_and_doubles_nothing(
    tmp_path: Path, point: str
) -> None:
    passes = [1, 2] if "checkpoint" in point else [2, 9]
    await kill_and_check(tmp_path / "state" / "outbox.sqlite3", point, passes)


@pytest.mark.gate
@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", OURS)
async def test_many_kills_at_a_failpoint_lose_and_double_nothing(
    tmp_path: Path, point: str
) -> None:
    most = 7 if "checkpoint" in point else 25
    passes = list(range(1, most + 1))
    await kill_and_check(tmp_path / "state" / "outbox.sqlite3", point, passes)


async def test_rows_on_their_way_in_a_crash_come_back_as_uncertain(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state" / "outbox.sqlite3"
    done = run(path, 0, "outbox.before_settle=kill")
    assert done.returncode == -9, done.stderr

    box = await SqliteOutbox.open(path)
    claimed = await box.claim("shop", 10, time.time() + 10)
    await box.close()

    marked = [one.first_ambiguous_at is not None for one in claimed]
    assert marked == [True, True, True, True, False]


async def test_an_io_error_stops_the_outbox_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state" / "outbox.sqlite3"
    monkeypatch.setenv(VARIABLE, "outbox.before_commit=eio")
    box = await SqliteOutbox.open(path)
    for _ in range(3):
        with pytest.raises(OutboxBrokenError, match="start the process again"):
            await box.put([row(1)])
    with pytest.raises(OutboxBrokenError):
        await box.claim("shop", 1, time.time())
    await box.close()
    with pytest.raises(OutboxError, match="closed"):
        await box.put([row(1)])

    monkeypatch.delenv(VARIABLE)
    box = await SqliteOutbox.open(path)
    (put,) = await box.put([row(1)])
    await box.close()
    assert not put.duplicate


async def test_a_checkpoint_that_fails_stops_the_outbox_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state" / "outbox.sqlite3"
    monkeypatch.setenv(VARIABLE, "outbox.before_checkpoint=eio")
    box = await SqliteOutbox.open(path)
    many = rows(0, 1_100)
    await box.put(many)
    with pytest.raises(OutboxBrokenError):
        await box.put([row("next")])
    await box.close()

    monkeypatch.delenv(VARIABLE)
    box = await SqliteOutbox.open(path)
    puts = await box.put(many)
    await box.close()
    assert all(one.duplicate for one in puts)


async def test_an_acknowledgement_comes_after_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    points = ",".join(
        f"outbox.{name}=log:{log}" for name in ("before_commit", "after_commit")
    )
    monkeypatch.setenv(VARIABLE, points)
    box = await SqliteOutbox.open(tmp_path / "state" / "outbox.sqlite3")
    for number in range(50):
        await box.put([row(number)])
        with log.open("a") as file:
            file.write("acknowledged\n")
    lines = log.read_text().splitlines()[: 3 * 50]
    await box.close()

    cycle = ["outbox.before_commit", "outbox.after_commit", "acknowledged"]
    assert lines == cycle * 50
