"""Where and when a run was made."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path


def described(root: Path, *, load_before: float, seconds: float) -> str:
    """Say in one paragraph what the figures of a run belong to."""
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("grpcio", "protobuf", "msgspec")
    )
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit `{_commit(root)}`, "
        f"{_processor()}, {os.cpu_count()} cores, {_memory():.0f} GiB, "
        f"{platform.python_implementation()} {platform.python_version()}, {packages}. "
        f"Load of the machine {load_before:.1f} before and {os.getloadavg()[0]:.1f} "
        f"after; the run took {seconds:.0f} s."
    )


def _commit(root: Path) -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no")
    others = [
        line for line in changed.splitlines() if "tests/bench/RESULTS" not in line
    ]
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (
        " with changes" if others else ""
    )


def _processor() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def _memory() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
