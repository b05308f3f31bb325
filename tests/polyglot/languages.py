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


LANGUAGES: Final = (  # the one that takes longest begins
    Language(
        name="java",
        run=("java", "-jar", "target/tokferry-example.jar"),
        needs={
            "javac": "apt-get install openjdk-17-jdk-headless",
            "mvn": "apt-get install maven",
        },
    ),
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
)


def environment(**variables: str) -> dict[str, str]:
    """Give the variables of a shell that knows nothing of any server."""
    outer = {name: value for name, value in os.environ.items() if name not in _OWN}
    return {**outer, "PATH": PATH, **variables}


@dataclass(frozen=True, slots=True)
class Clone:
    """The repository, in a folder that was empty; `seconds` is what that took."""

    folder: Path
    seconds: float


@dataclass(frozen=True, slots=True)
class Example:
    """An example, built as its README says, and the commands that run it there."""

    language: Language
    folder: Path
    seconds: float
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


def shell(text: str, folder: Path, *before: str, **variables: str) -> str:
    """Run lines in a folder, see that all succeed; `before` are words before bash."""
    result = subprocess.run(
        [*before, "bash", "-e", "-o", "pipefail", "-c", text],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{text}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def blocks(readme: Path) -> list[str]:
    """Give what a README tells to type, block by block."""
    return re.findall(
        r"^```sh\n(.*?)^```", readme.read_text(), re.DOTALL | re.MULTILINE
    )


def cloned(folder: Path) -> Clone:
    """Clone the last commit."""
    began = time.monotonic()
    shell(f"git clone --quiet --depth 1 'file://{ROOT}' tokferry", folder)
    return Clone(folder / "tokferry", time.monotonic() - began)


def built(language: Language, clone: Clone) -> Example:
    """Build an example by the first block of its README."""
    began = time.monotonic()
    place = clone.folder / "client" / "examples" / language.name
    build, run = blocks(place / "README.md")
    shell(build, place)
    seconds = clone.seconds + time.monotonic() - began
    return Example(language, place, seconds, tuple(run.splitlines()))
