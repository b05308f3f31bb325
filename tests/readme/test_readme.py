"""What the READMEs show runs as they show it, top to bottom, in an empty folder."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BIN = Path(sys.executable).parent
SANDBOX = "http://127.0.0.1:8480"
SERVER = "127.0.0.1:50051"


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


class Shell:
    """Runs the lines of a README in a folder; `export` and `&` mean what they do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
        self.running: list[subprocess.Popen[str]] = []

    def run(self, line: str) -> str:
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            if name != "PATH":
                self.variables[name] = value
            return ""
        result = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, f"{line}\n{result.stderr}"
        return result.stdout

    def start(self, line: str, *more: str) -> str:
        """Start a line that ends in `&`, and give its first line of output."""
        process = subprocess.Popen(
            [*shlex.split(line.removesuffix("&")), *more],
            cwd=self.folder,
            env=self.variables,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        assert process.stdout is not None
        return process.stdout.readline()

    def stop(self) -> None:
        for process in self.running:
            process.send_signal(signal.SIGINT)
        for process in self.running:
            process.communicate(timeout=30)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    shell.stop()


def test_the_first_commands_are_targets_of_the_makefile() -> None:
    commands = [
        line.split("#")[0].split() for line in blocks(README, "sh")[0].splitlines()
    ]
    makefile = (ROOT / "Makefile").read_text()

    assert commands == [["make", "demo"], ["make", "test"]]
    for _, target in commands:
        assert re.search(rf"^{target}: .*## ", makefile, re.MULTILINE)


def test_the_walk_from_settings_to_delivered_events(shell: Shell) -> None:
    (settings,) = blocks(README, "toml")
    _, look, serve = blocks(README, "sh")
    (program,) = blocks(README, "python")
    token, *background = serve.splitlines()
    shell.run(token)
    sandbox = shell.start(background[0], "--port", "0")
    url = re.findall(r"http://127\.0\.0\.1:\d+", sandbox)[0]
    assert SANDBOX in settings
    (shell.folder / "settings.toml").write_text(settings.replace(SANDBOX, url))

    shown = [shell.run(line) for line in look.splitlines()]
    server = shell.start(background[1], "--listen", "127.0.0.1:0")
    target = re.fullmatch(r"listening on (\S+)\n", server)
    assert target
    assert SERVER in program
    (shell.folder / "call.py").write_text(program.replace(SERVER, target[1]))
    preview, *results = shell.run("python call.py").splitlines()

    assert '"event":"PlaceAnOrder"' in shown[-1]
    assert preview in shown[-1]
    assert results == ["0 0 OUTCOME_DELIVERED"]
    with urlopen(f"{url}/sandbox/events") as answer:
        assert json.load(answer)["counts"]["taken"] == 1


def test_every_command_is_in_the_table_and_no_other() -> None:
    listed = re.findall(r"^\| `tokferry (\w+)` \|", README, re.MULTILINE)
    shown = subprocess.run(
        [BIN / "tokferry", "--help"], capture_output=True, text=True, check=True
    )
    offered = re.findall(
        r"^  (\w+)  ", shown.stdout.partition("Commands:")[2], re.MULTILINE
    )

    assert sorted(listed) == sorted(offered)


def test_the_readme_of_the_server_runs(shell: Shell) -> None:
    (commands,) = blocks((ROOT / "server" / "README.md").read_text(), "sh")

    shown = [shell.run(line) for line in commands.splitlines()]

    assert "serve" in shown[0]
    assert '"event":"PlaceAnOrder"' in shown[1]


def test_contributing_names_targets_that_exist() -> None:
    (commands,) = blocks((ROOT / "CONTRIBUTING.md").read_text(), "sh")
    makefile = (ROOT / "Makefile").read_text()

    for target in re.findall(r"^make (\w+)", commands, re.MULTILINE):
        assert re.search(rf"^{target}: .*## ", makefile, re.MULTILINE), target
    assert (ROOT / ".ci" / "run").is_file()
