"""`.ci/run` installs what is missing, runs every target, and stops at a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ("bash", "env", "dirname", "timeout")
LOG = 'echo "{name} $*" >> "{log}"'


class Machine:
    """A machine that has only what it is given; its programs write down their calls."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.log = folder / "log"
        for name in NEEDED:
            (self.bin / name).symlink_to(str(shutil.which(name)))
        (folder / "repository" / ".ci").mkdir(parents=True)
        shutil.copy(ROOT / ".ci" / "run", folder / "repository" / ".ci")

    def add(self, name: str, then: str = "exit 0") -> None:
        path = self.bin / name
        note = LOG.format(name=name, log=self.log)
        path.write_text(f"#!{self.bin / 'bash'}\n{note}\n{then}\n")
        path.chmod(0o755)

    def run(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.root / "repository" / ".ci" / "run"],
            cwd=self.root,
            env={"PATH": str(self.bin)},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def complete(machine: Machine) -> None:
    programs = (
        "git make python3 protoc promtool openssl valgrind strace mkfs.ext4 h2load ip"
        " node npm javac mvn grpc_java_plugin"
    )
    for name in programs.split():
        machine.add(name)
    protos = machine.root / "include" / "google" / "protobuf"
    protos.mkdir(parents=True)
    (protos / "duration.proto").touch()


def test_it_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_a_complete_machine_only_makes(machine: Machine) -> None:
    complete(machine)
    machine.add("apt-get")

    result = machine.run()

    assert result.returncode == 0, result.stderr
    assert [call for call in machine.calls if not call.startswith("python3 -c")] == [
        "make --no-print-directory check",
        "make --no-print-directory test",
        "make --no-print-directory polyglot",
        "make --no-print-directory gate",
    ]


def test_a_failing_target_ends_the_run(machine: Machine) -> None:
    complete(machine)
    machine.add("make", 'test "$2" != test')

    assert machine.run().returncode != 0
    assert machine.calls[-1] == "make --no-print-directory test"


@pytest.mark.skipif(os.geteuid() != 0, reason="packages are installed by root only")
def test_what_is_missing_is_installed_first(machine: Machine) -> None:
    machine.add("git")
    machine.add("make")
    machine.add("python3", "exit 1")  # has no venv module
    machine.add("apt-get")

    packages = (
        "python3-venv protobuf-compiler libprotobuf-dev prometheus openssl valgrind "
        "strace e2fsprogs nghttp2-client iproute2 nodejs npm openjdk-17-jdk-headless "
        "maven protobuf-compiler-grpc-java-plugin"
    )
    assert machine.run().returncode == 0
    assert machine.calls[1:4] == [
        "apt-get update -qq",
        f"apt-get install -y -qq --no-install-recommends {packages}",
        "make --no-print-directory check",
    ]


def test_what_cannot_be_installed_is_named(machine: Machine) -> None:
    complete(machine)
    (machine.bin / "protoc").unlink()

    result = machine.run()

    assert "Missing, install by hand: protobuf-compiler" in result.stderr
    assert result.returncode == 0
