"""The rules of .importlinter hold, and each of them catches what it forbids."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = Path(sys.executable).parent / "lint-imports"
SERVER = "server/src/tokferry_server"

FORBIDDEN = (
    ("mapping/transform.py", "grpc", "The mapping and the two models"),
    ("mapping/transform.py", "tokferry_server.settings", "Rooms import downwards only"),
    ("mapping/native.py", "phonenumbers", "Telephone numbers"),
    ("mparticle/model.py", "google.protobuf.message", "The mapping and the two models"),
    ("mparticle/read_proto.py", "grpc", "Reading typed messages"),
    ("tiktok/wire.py", "opentelemetry.trace", "The mapping and the two models"),
    ("tiktok/wire.py", "tokferry_server.mparticle.model", "Rooms import"),
    ("delivery/address.py", "httpx", "HTTP to TikTok"),
    ("delivery/address.py", "tokferry_server.mapping.scope", "Delivery knows"),
    ("delivery/transport/line.py", "grpc", "Delivery knows"),
    ("rpc/service.py", "tokferry_server.cli", "The command line is imported by nobody"),
    ("sandbox/server.py", "tokferry_server.delivery", "The sandbox shares nothing"),
    ("sandbox/server.py", "tokferry_server.settings", "The sandbox shares nothing"),
)


def lint(folder: Path) -> str:
    sources = os.pathsep.join(
        str(folder / name / "src") for name in ("client", "server")
    )
    result = subprocess.run(
        [LINT, "--no-cache", "--config", folder / ".importlinter"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": sources},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Contracts: " in result.stdout, result.stdout + result.stderr
    return result.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    without = shutil.ignore_patterns("__pycache__")
    for name in ("client/src", "server/src"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=without)
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def test_the_code_keeps_the_rules(copy: Path) -> None:
    assert " 0 broken." in lint(copy)


@pytest.mark.parametrize(("file", "module", "rule"), FORBIDDEN)
def test_a_forbidden_import_breaks_its_rule(
    copy: Path, file: str, module: str, rule: str
) -> None:
    path = copy / SERVER / file
    path.write_text(f"{path.read_text()}\nimport {module}\n")

    broken = [line for line in lint(copy).splitlines() if " BROKEN" in line]

    assert any(line.startswith(rule) for line in broken), broken


def test_a_client_that_imports_the_server_breaks_its_rule(copy: Path) -> None:
    path = copy / "client" / "src" / "tokferry" / "_client.py"
    path.write_text(f"{path.read_text()}\nimport tokferry_server.settings\n")

    assert "The client stands alone BROKEN" in lint(copy)
