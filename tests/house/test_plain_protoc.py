"""Other languages compile the protos with nothing but protoc and the folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).parents[2]
INSTALL = "apt-get install protobuf-compiler libprotobuf-dev"


def test_a_plain_protoc_compiles_the_folder_alone(
    program: Callable[[str, str], Path], tmp_path: Path
) -> None:
    protoc = program("protoc", INSTALL)
    protos = sorted(
        path.relative_to(ROOT).as_posix() for path in ROOT.glob("protos/**/*.proto")
    )
    described = tmp_path / "all.binpb"

    subprocess.run(
        [protoc, "-I", "protos", f"--descriptor_set_out={described}", *protos],
        cwd=ROOT,
        check=True,
    )

    files = FileDescriptorSet.FromString(described.read_bytes()).file
    assert {f"protos/{file.name}" for file in files} == set(protos)


@pytest.mark.parametrize(
    ("ci", "code", "word"), [("true", 1, "1 failed"), ("", 0, "1 skipped")]
)
def test_without_protoc_ci_fails_and_others_skip(
    ci: str, code: int, word: str, tmp_path: Path
) -> None:
    name = "test_a_plain_protoc_compiles_the_folder_alone"
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", f"{__file__}::{name}"],
        cwd=ROOT,
        env={**os.environ, "PATH": str(tmp_path), "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == code
    assert word in result.stdout
    assert f"protoc is missing; install it by: {INSTALL}" in result.stdout


def test_the_protos_import_nothing_but_themselves_and_googles_basic_types() -> None:
    imports = {
        line.split('"')[1]
        for path in ROOT.glob("protos/**/*.proto")
        for line in path.read_text().splitlines()
        if line.startswith("import ")
    }

    outside = {name for name in imports if not (ROOT / "protos" / name).is_file()}
    assert outside
    assert all(name.startswith("google/protobuf/") for name in outside)
