"""Other languages compile the protos with nothing but protoc and the folder."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

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
