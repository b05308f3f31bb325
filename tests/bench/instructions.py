"""Counts the instructions that mapping an event takes: the same on a busy machine.

``PYTHONPATH=tests .venv/bin/python -m bench.instructions`` renews the bounds.
"""

import os
import platform
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Final

from bench.counted import WORKS, events

HERE: Final = Path(__file__).parent
BOUNDS: Final = HERE / "instructions.toml"
RENEW: Final = "PYTHONPATH=tests .venv/bin/python -m bench.instructions"
_PART: Final = re.compile(r"^summary: (\d+)", re.MULTILINE)


def build() -> str:
    """Name the build of CPython whose instructions are counted."""
    version = ".".join(platform.python_version_tuple()[:2])
    machine = platform.machine()
    return f"CPython {version}, {platform.python_compiler()}, {machine}"


def counted(valgrind: str) -> dict[str, int]:
    """Count the instructions of each sort of work, for each event.

    Raises:
        RuntimeError: it could not be counted.
    """
    with tempfile.TemporaryDirectory(prefix="tokferry-count-") as folder:
        done = subprocess.run(
            [
                valgrind,
                "--tool=callgrind",
                f"--callgrind-out-file={folder}/out",
                "--dump-before=getpriority",
                *(sys.executable, "-m", "bench.counted"),
            ],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(HERE.parent),
                "PYTHONHASHSEED": "0",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        ended = range(1, 2 * len(WORKS) + 2)
        files = [Path(folder) / f"out.{number}" for number in ended]
        if done.returncode or not all(file.exists() for file in files):
            raise RuntimeError(f"nothing was counted: {done.stderr[-2000:]}")
        parts = [int(_PART.findall(file.read_text())[0]) for file in files]
    # What comes first is the start; of each work its warming up is left out.
    return {
        work: round(part / events())
        for work, part in zip(WORKS, parts[2::2], strict=True)
    }


def bounds() -> tuple[str, dict[str, int]]:
    """Give the build that the bounds are for, and the bounds."""
    data = tomllib.loads(BOUNDS.read_text())
    return str(data["build"]), dict(data["instructions"])


def main() -> None:
    """Count, and write the bounds anew."""
    lines = [
        "# Instructions that mapping an event may take, and five percent more.",
        f"# Renewed by: {RENEW}",
        f'build = "{build()}"',
        "",
        "[instructions]",
        *(f'"{work}" = {count}' for work, count in counted("valgrind").items()),
    ]
    BOUNDS.write_text("\n".join(lines) + "\n")
    print(BOUNDS.read_text(), end="")


if __name__ == "__main__":
    main()
