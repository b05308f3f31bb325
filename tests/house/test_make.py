"""The Makefile offers what it says, and refuses what cannot work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = (
    *("demo", "test", "polyglot", "polyglot-long", "gate", "bench", "mutants"),
    *("simulate", "chaos", "soak", "fuzz", "check", "generate", "clean"),
)

OUTER = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHON", "VENV")
"""What a make that runs the tests hands down."""


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if k not in OUTER},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A folder as a new clone has it: no environment, and a Python that tells."""
    for name in ("Makefile", "pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("client", "server"):
        (tmp_path / name).mkdir()
        shutil.copy(ROOT / name / "pyproject.toml", tmp_path / name)
    return tmp_path


def stand_in(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_make_alone_lists_every_target() -> None:
    listed = make(ROOT).stdout

    assert listed == make(ROOT, "help").stdout
    assert {line.split()[0] for line in listed.splitlines()} == {"help", *TARGETS}


def test_every_target_is_run_whether_or_not_a_file_has_its_name() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)

    assert phony
    assert set(phony[1].split()) == {"help", *TARGETS}


def test_a_python_that_is_too_old_is_named(fresh: Path) -> None:
    old = stand_in(fresh / "old-python", "exit 1")

    result = make(fresh, "test", f"PYTHON={old}")

    assert result.returncode != 0
    assert "Python 3.11 or later is needed" in result.stderr
    assert "make PYTHON=" in result.stderr
    assert not (fresh / ".venv").exists()


def test_a_python_without_venv_leaves_nothing_half_made(fresh: Path) -> None:
    script = 'test "$1" = -c && exit 0; mkdir -p .venv/bin; exit 1'
    bare = stand_in(fresh / "bare-python", script)

    result = make(fresh, "test", f"PYTHON={bare}")

    assert result.returncode != 0
    assert "python3-venv" in result.stderr
    assert not (fresh / ".venv").exists()


def test_the_environment_is_set_up_once_and_again_when_the_lock_changes(
    fresh: Path,
) -> None:
    tools = fresh / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name in ("python", "pip", "uv", "pytest"):
        stand_in(tools / name, f'echo "{name} $*" >> calls')
    calls = fresh / "calls"

    assert make(fresh, "test").returncode == 0
    first = calls.read_text().splitlines()
    calls.unlink()
    assert make(fresh, "test").returncode == 0
    second = calls.read_text().splitlines()
    calls.unlink()
    with (fresh / "uv.lock").open("a") as lock:
        lock.write("\n")
    assert make(fresh, "test").returncode == 0

    assert [call.split()[0] for call in first] == ["pip", "uv", "pytest"]
    assert "uv sync --quiet --frozen --all-packages" in first
    assert second == first[2:]
    assert calls.read_text().splitlines() == first


def test_no_test_collected_is_a_failure(fresh: Path) -> None:
    tools = fresh / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name in ("python", "pip", "uv"):
        stand_in(tools / name, "exit 0")
    stand_in(tools / "pytest", "exit 5")

    assert make(fresh, "gate").returncode != 0
