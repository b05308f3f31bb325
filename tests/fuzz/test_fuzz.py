"""Bytes from outside, of any kind, raise nothing and cost little."""

import importlib.util
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fuzz.targets import TARGETS
from fuzz.watch import GROWTH, Watched

_TESTS = Path(__file__).parents[1]
_INPUTS = b"x"


def fuzz(target: str, runs: int) -> None:
    if importlib.util.find_spec("atheris") is None and "CI" not in os.environ:
        pytest.skip("atheris is for Linux on x86-64 and CPython up to 3.13")
    done = subprocess.run(
        [sys.executable, "-m", "fuzz", target, "--runs", str(runs)],
        cwd=_TESTS,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stderr[-3000:]
    assert done.returncode == 0, said
    assert f"Done {runs} runs" in said


@pytest.mark.parametrize("target", TARGETS)
def test_five_thousand_inputs_raise_nothing(target: str) -> None:
    fuzz(target, 5_000)


@pytest.mark.gate
@pytest.mark.timeout(900)
def test_two_hundred_thousand_inputs_raise_nothing() -> None:
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(lambda target: fuzz(target, 200_000), TARGETS):
            pass


def test_a_slow_input_is_found() -> None:
    def burn(_: bytes) -> None:
        until = time.thread_time() + 0.3
        while time.thread_time() < until:
            pass

    with pytest.raises(RuntimeError, match="s of CPU for 1 bytes"):
        Watched(burn)(_INPUTS)


def test_growing_memory_is_found() -> None:
    kept: list[bytes] = []

    def keep(_: bytes) -> None:
        kept.append(bytes(GROWTH // 1000))

    def run_many() -> None:
        watched = Watched(keep)
        for _ in range(10_000):
            watched(_INPUTS)

    with pytest.raises(RuntimeError, match="memory grew by"):
        run_many()
