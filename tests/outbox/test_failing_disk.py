"""What the outbox makes of errors that a disk gives: a used-up quota, a failed sync."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from outbox.made import row
from outbox.traced import strace
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox

TESTS = Path(__file__).parents[1]
CHILD = Path(__file__).with_name("quota_child.py")
ROWS = 150


def child(path: Path, *faults: str) -> subprocess.CompletedProcess[str]:
    """Run the child, whose system calls fail as they are told to."""
    names = ",".join(fault.partition(":")[0] for fault in faults)
    injections = [word for fault in faults for word in ("-e", f"inject={fault}")]
    quiet = ["-f", "-qq", "-o", os.devnull, "-e", f"trace={names}"]
    return subprocess.run(
        [strace(), *quiet, *injections, sys.executable, CHILD, path, str(ROWS)],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


async def test_a_used_up_quota_is_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "state" / "box"
    faults = ["pwrite64:error=EDQUOT:when=90", "fallocate:error=EDQUOT:when=2..8"]
    done = child(path, *faults)
    assert done.returncode == 0, done.stderr
    said = [line.split() for line in done.stdout.splitlines()]
    full = {int(number) for word, number in said if word == "full"}
    assert 0 < len(full) < ROWS / 2
    assert said[-1] == ["put", str(ROWS - 1)]

    box = await SqliteOutbox.open(path)
    puts = await box.put([row(number) for number in range(ROWS)])
    await box.close()
    assert {n for n, put in enumerate(puts) if not put.duplicate} == full


async def test_after_a_failed_sync_nothing_is_taken_any_more(tmp_path: Path) -> None:
    path = tmp_path / "state" / "box"
    done = child(path, "fdatasync:error=EIO:when=60+")
    assert done.returncode == 1
    assert "OutboxBrokenError" in done.stderr
    taken = [line for line in done.stdout.splitlines() if line.startswith("put")]
    assert 0 < len(taken) < ROWS

    box = await SqliteOutbox.open(path)
    puts = await box.put([row(number) for number in range(ROWS)])
    await box.close()
    known = [number for number, put in enumerate(puts) if put.duplicate]
    assert len(known) - len(taken) in (0, 1)  # the one that failed may be there
    assert known == list(range(len(known)))
