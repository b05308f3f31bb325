"""Each language's example: what it needs, and how it is built and run."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_BIN: Final = Path(sys.executable).parent
_GO: Final = Path("/usr/local/go/bin")  # where Go's own archive is unpacked
_CARGO: Final = Path.home() / ".cargo" / "bin"  # where rustup puts it
PATH: Final = f"{os.environ['PATH']}:{_GO}:{_CARGO}:{_BIN}"
_OWN: Final = ("TOKFERRY_TARGET", "TOKFERRY_CA", "TOKFERRY_TOKEN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One language; `needs` are programs, each with what installs it."""

    name: str
    run: tuple[str, ...]
    needs: Mapping[str, str] = field(default_factory=dict)


LANGUAGES: Final = (
    Language(name="python", run=(".venv/bin/python", "example.py")),
    Language(
        name="go",
        run=("./tokferry-example",),
        needs={"go": "the archive of Go 1.26 at https://go.dev/dl, below /usr/local"},
    ),
    Language(
        name="typescript",
        run=("node", "dist/main.js"),
        needs={"node": "apt-get install nodejs", "npm": "apt-get install npm"},
    ),
    Language(
        name="java",
        run=("java", "-jar", "target/tokferry-example.jar"),
        needs={
            "javac": "apt-get install openjdk-17-jdk-headless",
            "mvn": "apt-get install maven",
        },
    ),
)


def environment(**variables: str) -> dict[str, str]:
    """Give the variables of a shell that knows nothing of any server."""
    outer = {name: value for name, value in os.environ.items() if name not in _OWN}
    return {**outer, "PATH": PATH, **variables}


@dataclass(frozen=True, slots=True)
class Example:
    """An example, built by its README in a clone of the repository."""

    language: Language
    folder: Path
    began: float
    commands: tuple[str, ...]

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start it; what it prints is kept."""
        return subprocess.Popen(
            [*self.language.run, *arguments],
            cwd=self.folder,
            env=environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(
        self, *arguments: str, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        process = self.start(*arguments, **variables)
        try:
            out, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def shell(self, line: str, **variables: str) -> str:
        """Run a line of its README; gives what it prints."""
        return shell(line, self.folder, **variables)


def shell(line: str, folder: Path, **variables: str) -> str:
    """Run a line in a folder, and see that it succeeds."""
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{line}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def built(language: Language, folder: Path) -> Example:
    """Clone the repository into an empty folder, and build as the README says."""
    began = time.monotonic()
    shell(f"git clone --quiet --depth 1 'file://{ROOT}' tokferry", folder)
    place = folder / "tokferry" / "client" / "examples" / language.name
    text = (place / "README.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    build, run = (tuple(block.splitlines()) for block in blocks)
    for line in build:
        shell(line, place)
    return Example(language, place, began, run)
