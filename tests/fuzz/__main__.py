"""Fuzzes one target: ``python -m fuzz TARGET --runs N [--seed N]``.

Coverage decides which inputs are worth changing further. An input fails when its
target raises or takes longer than a quarter of a second of CPU; a run fails when memory
grows.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Final

import atheris

from fuzz.seeds import write_seeds
from fuzz.watch import Watched

with atheris.instrument_imports(include=["tokferry_server"]):
    from fuzz.targets import TARGETS

MAX_LENGTH: Final = 4096


def main() -> None:
    """Fuzz, and end with a status that says whether anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--runs", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    corpus = Path(tempfile.mkdtemp(prefix="fuzz-"))
    write_seeds(chosen.target, corpus)
    atheris.Setup(
        [
            sys.argv[0],
            str(corpus),
            f"-runs={chosen.runs}",
            f"-seed={chosen.seed}",
            f"-max_len={MAX_LENGTH}",
            f"-artifact_prefix={corpus}/found-",
            "-print_final_stats=1",
            "-reload=0",
        ],
        Watched(TARGETS[chosen.target]),
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
