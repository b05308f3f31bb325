"""Changes the mapping's code in many small ways, and says which no test notices.

mutmut names a mutant by its path below ``src``, so the server's code is copied to where
that is its path: ``.mutants``.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STAGE = ROOT / ".mutants"
MUTMUT = Path(sys.executable).with_name("mutmut")
WANTED = 0.9
"""The share of mutants that some test must notice."""
WORKERS = "2"
EVERY = "tokferry_server.*"
"""Mutants that are named have their tests looked up first: a test that could not be
found later would count as one that fails."""


def main() -> None:
    """Make the mutants, try them, and print the score and those that survive."""
    stage()
    os.nice(10)
    mutmut("run", "--max-children", WORKERS, EVERY)
    mutmut("export-cicd-stats")
    figures = json.loads((STAGE / "mutants" / "mutmut-cicd-stats.json").read_text())
    noticed = figures["killed"] + figures["timeout"]
    share = noticed / figures["total"]
    print(json.dumps(figures))
    print(f"{noticed} of {figures['total']} mutants noticed: {share:.1%}")
    mutmut("results")
    if share < WANTED:
        sys.exit(f"At least {WANTED:.0%} are to be noticed: add cases.")


def stage() -> None:
    """Copy what is changed and what tests it, without anything found out before."""
    shutil.rmtree(STAGE, ignore_errors=True)
    skip = shutil.ignore_patterns("__pycache__", ".venv")
    shutil.copytree(ROOT / "server", STAGE / "server", ignore=skip)
    shutil.copytree(ROOT / "server" / "src", STAGE / "src", ignore=skip)
    shutil.copytree(ROOT / "tests", STAGE / "tests", ignore=skip)
    shutil.copy(Path(__file__).with_suffix(".toml"), STAGE / "pyproject.toml")


def mutmut(*arguments: str) -> None:
    """Run the tool in the folder of copies."""
    subprocess.run([MUTMUT, *arguments], cwd=STAGE, check=True)


if __name__ == "__main__":
    main()
