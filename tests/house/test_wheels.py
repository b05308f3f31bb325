"""Both distributions build, and work as installed files."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.gate

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"


def run(*command: str | Path, **variables: str) -> str:
    result = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("wheels")
    run(UV, "build", "--quiet", "--wheel", "--all-packages", "--out-dir", folder)
    return sorted(folder.glob("*.whl"))


def test_a_wheel_plants_its_own_package_only(wheels: list[Path]) -> None:
    tops = {
        name.partition("/")[0]
        for wheel in wheels
        for name in zipfile.ZipFile(wheel).namelist()
        if ".dist-info/" not in name
    }

    assert tops == {"tokferry", "tokferry_server"}


def test_each_wheel_carries_the_licence_and_its_types(wheels: list[Path]) -> None:
    for wheel in wheels:
        names = zipfile.ZipFile(wheel).namelist()
        assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
        assert any(name.endswith("/py.typed") for name in names)


def test_the_installed_command_has_its_tables(
    wheels: list[Path], tmp_path: Path
) -> None:
    run(
        UV,
        "pip",
        "install",
        "-q",
        "--offline",
        "--no-deps",
        "--target",
        tmp_path,
        *wheels,
    )
    find = "import tokferry_server.mapping as m; print(m.__file__)"
    variables = {"PYTHONPATH": str(tmp_path)}

    assert run(sys.executable, "-c", find, **variables).startswith(str(tmp_path))
    assert "event_time" in run(tmp_path / "bin" / "tokferry", "fields", **variables)
