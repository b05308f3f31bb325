"""The checked-in code is what the protos say, and any language can compile them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROTOS = ROOT / "protos"
SCRIPT = PROTOS / "generate.py"
BUF = Path(sys.executable).parent / "buf"


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    result = run(sys.executable, SCRIPT, "--target", folder)
    assert result.returncode == 0, result.stderr
    return folder


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, SCRIPT, "--check", "--target", folder)


def test_the_checked_in_code_is_up_to_date() -> None:
    result = run(sys.executable, SCRIPT, "--check")

    assert result.returncode == 0, result.stderr


def test_a_changed_file_is_named(generated: Path) -> None:
    changed = generated / "tokferry" / "v1" / "result_pb2.pyi"
    original = changed.read_text()
    changed.write_text(original + "\n# by hand\n")

    result = check(generated)
    changed.write_text(original)

    assert result.returncode != 0
    assert "out of date: tokferry/v1/result_pb2.pyi" in result.stderr
    assert "protos/generate.py" in result.stderr


def test_a_missing_file_is_named(generated: Path) -> None:
    lost = generated / "tokferry" / "tiktok" / "v1" / "event_pb2.py"
    original = lost.read_text()
    lost.unlink()

    result = check(generated)
    lost.write_text(original)

    assert result.returncode != 0
    assert "missing: tokferry/tiktok/v1/event_pb2.py" in result.stderr


def test_a_file_left_over_from_a_removed_proto_is_named_then_removed(
    generated: Path,
) -> None:
    old = generated / "tokferry" / "v1" / "old_pb2.py"
    old.write_text("")

    result = check(generated)
    assert result.returncode != 0
    assert "left over: tokferry/v1/old_pb2.py" in result.stderr

    assert run(sys.executable, SCRIPT, "--target", generated).returncode == 0
    assert not old.exists()


def test_the_protos_lint_clean() -> None:
    result = run(BUF, "lint")

    assert result.returncode == 0, result.stdout


def test_the_protos_are_formatted() -> None:
    result = run(BUF, "format", "-d", "--exit-code")

    assert result.returncode == 0, result.stdout


def test_a_plain_compiler_takes_the_folder_alone(tmp_path: Path) -> None:
    protoc = shutil.which("protoc")
    compiler = [protoc] if protoc else [sys.executable, "-m", "grpc_tools.protoc"]

    result = run(
        *compiler,
        f"-I{PROTOS}",
        f"--descriptor_set_out={tmp_path / 'all.binpb'}",
        *PROTOS.rglob("*.proto"),
    )

    assert result.returncode == 0, result.stderr
