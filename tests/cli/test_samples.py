"""Every sample becomes exactly what its golden file shows.

The golden files are the output of ``tokferry transform --settings samples.toml``.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import typer

from tokferry_server.cli.transform import transform
from tokferry_server.mapping.outcome import DropReason
from tokferry_server.samples import SAMPLES, read_sample

HERE = Path(__file__).parent


def transformed(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[list[dict[str, Any]], int]:
    path = folder / f"{name}.json"
    path.write_bytes(read_sample(name))
    with pytest.raises(typer.Exit) as ended:
        transform([str(path)], settings=HERE / "samples.toml", layout="ndjson")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for line in lines:
        assert line.pop("file") == str(path)
    return lines, ended.value.exit_code


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_becomes_what_its_golden_file_shows(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = (HERE / "golden" / f"{name}.ndjson").read_text()
    lines, exit_code = transformed(name, tmp_path, capsys)
    assert lines == [json.loads(line) for line in golden.splitlines()]
    assert exit_code == (1 if name == "mixed" else 0)


def test_every_sample_has_a_golden_file_and_the_reverse() -> None:
    assert {path.stem for path in (HERE / "golden").iterdir()} == set(SAMPLES)


def test_identities_of_samples_are_hashed_as_tiktok_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, _ = transformed("purchase", tmp_path, capsys)
    user = lines[0]["events"][0]["user"]
    assert user["email"] == sha256(b"jane.doe@example.com").hexdigest()
    assert user["phone"] == sha256(b"+12133734253").hexdigest()
    assert user["external_id"] == sha256(b"customer-1001").hexdigest()


def test_the_mixed_sample_shows_intended_drops_and_defects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, _ = transformed("mixed", tmp_path, capsys)
    dropped = {line["reason"]: line for line in lines if line["reason"]}
    assert {name: line["intended"] for name, line in dropped.items()} == {
        "MALFORMED_EVENT": False,
        "MISSING_PAGE_URL": False,
        "NO_IDENTITY": False,
        "UNSUPPORTED_EVENT": True,
        "ENVIRONMENT": True,
    }
    for name, line in dropped.items():
        assert line["message"].endswith(DropReason[name].remedy)
