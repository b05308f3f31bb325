"""What is released of the protos is held against changes that break callers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUF = Path(sys.executable).parent / "buf"
CHANGES = {
    "another number": ("uint64 received = 1;", "uint64 received = 99;"),
    "another type": ("uint64 received = 1;", "int32 received = 1;"),
    "another name": ("uint64 received = 1;", "uint64 arrived = 1;"),
    "a value that goes": ("  OUTCOME_VALIDATED = 7;\n", ""),
}


def compared(folder: Path, old: str, new: str) -> subprocess.CompletedProcess[str]:
    """Compare the protos, changed in one place, with the baseline."""
    shutil.copytree(ROOT / "protos", folder / "protos")
    shutil.copy(ROOT / "buf.yaml", folder)
    changed = folder / "protos" / "tokferry" / "v1" / "result.proto"
    text = changed.read_text()
    assert old in text
    changed.write_text(text.replace(old, new))
    return subprocess.run(
        [BUF, "breaking", "protos", "--against", "protos/baseline.binpb"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_breaks_callers_is_named(change: str, tmp_path: Path) -> None:
    result = compared(tmp_path, *CHANGES[change])

    assert result.returncode != 0
    assert "result.proto" in result.stdout


def test_a_new_field_breaks_nobody(tmp_path: Path) -> None:
    old = "uint64 validated = 8;"

    result = compared(tmp_path, old, f"{old}\n  uint64 more = 9;")

    assert result.returncode == 0, result.stdout
