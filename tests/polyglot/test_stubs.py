"""Stubs are made by the plugins of this machine, and compile."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from polyglot.languages import PATH, ROOT, shell

pytestmark = [pytest.mark.polyglot, pytest.mark.timeout(900)]
EXAMPLES = ROOT / "client" / "examples"
PROTOS = {path.stem for path in (ROOT / "protos").rglob("*.proto")}


def need(program: str, install: str) -> None:
    """Skip without a program; where CI is `true` nothing may be missing."""
    if shutil.which(program, path=PATH) is None:
        text = f"{program} is missing; install it by: {install}"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)


def test_the_template_makes_stubs_of_every_proto(tmp_path: Path) -> None:
    need("go", "the archive of Go 1.26 at https://go.dev/dl, below /usr/local")
    need("npm", "apt-get install npm")
    need("protoc", "apt-get install protobuf-compiler")
    need("grpc_java_plugin", "apt-get install protobuf-compiler-grpc-java-plugin")
    tools = tmp_path / "tools"
    shell(f"GOBIN={tools} go install tool", EXAMPLES / "go")
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(EXAMPLES / "typescript" / name, tmp_path)
    shell("npm ci --silent", tmp_path)
    path = f"{tools}:{tmp_path / 'node_modules' / '.bin'}:{PATH}"

    template = ROOT / "protos" / "buf.gen.yaml"
    shell(f"buf generate {ROOT / 'protos'} --template {template}", tmp_path, PATH=path)

    gen = tmp_path / "gen"
    assert {p.name.removesuffix(".pb.go") for p in gen.rglob("*.pb.go")} >= PROTOS
    assert {p.name.removesuffix("_pb.ts") for p in gen.rglob("*_pb.ts")} == PROTOS
    assert list(gen.rglob("java/com/tokferry/v1/ForwardingServiceGrpc.java"))
    assert list(gen.rglob("java/com/tokferry/mparticle/v1/Batch.java"))
    namespaces = {
        (path.parent.relative_to(gen / "csharp").as_posix(), namespace)
        for path in gen.rglob("*.cs")
        for namespace in re.findall(
            r"^namespace ([\w.]+)", path.read_text(), re.MULTILINE
        )
    }
    assert len(list(gen.rglob("*.cs"))) == len(list((ROOT / "protos").rglob("*.proto")))
    assert namespaces == {
        ("V1", "Tokferry.V1"),
        ("MParticle/V1", "Tokferry.MParticle.V1"),
        ("TikTok/V1", "Tokferry.TikTok.V1"),
    }
    module = "module github.com/tokferry/tokferry/gen/go"
    text = (EXAMPLES / "go" / "go.mod").read_text()
    (gen / "go" / "go.mod").write_text("\n".join([module, *text.splitlines()[1:]]))
    shutil.copy(EXAMPLES / "go" / "go.sum", gen / "go")
    shell("go build ./...", gen / "go")


def test_stubs_for_rust_compile(tmp_path: Path) -> None:
    need("cargo", "rustup, see https://rustup.rs")
    need("protoc", "apt-get install protobuf-compiler libprotobuf-dev")

    printed = shell(
        "cargo test --quiet --locked",
        Path(__file__).parent / "rust",
        CARGO_TARGET_DIR=str(tmp_path),
        TOKFERRY_PROTOS=str(ROOT / "protos"),
    )

    assert "1 passed" in printed
