"""The printed pages are fresh and tell the truth; no page points to nowhere."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRINTER = ROOT / "server" / "docs" / "printer"
DECISIONS = sorted((ROOT / "server" / "docs" / "decisions").glob("*.md"))
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(
        part.startswith(".") or part == "node_modules"
        for part in path.relative_to(ROOT).parts
    )
)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")


def run_printer(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, PRINTER, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_printed_pages_are_fresh() -> None:
    result = run_printer("--check")

    assert result.returncode == 0, result.stderr


def test_a_stale_page_and_a_missing_one_are_named(tmp_path: Path) -> None:
    assert run_printer("--target", tmp_path).returncode == 0
    assert run_printer("--check", "--target", tmp_path).returncode == 0
    (tmp_path / "mapping.md").unlink()
    settings = tmp_path / "settings.md"
    settings.write_text(settings.read_text().replace("`500.0`", "`600.0`"))

    result = run_printer("--check", "--target", tmp_path)

    assert result.returncode != 0
    assert result.stderr.splitlines() == [
        "out of date: mapping.md",
        "out of date: settings.md",
        "The pages do not match the tables. Run: make generate",
    ]


def test_the_protos_name_the_defaults_that_hold() -> None:
    page = (ROOT / "server" / "docs" / "settings.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    printed = {row[0].strip("| `"): row[2].strip(" `") for row in rows}
    proto = (ROOT / "protos" / "tokferry" / "v1" / "connection.proto").read_text()
    comments = re.findall(
        r"((?:^ +//.*\n)+)^ +(?:optional|repeated)?\s*\S+ (\w+) = \d+",
        proto,
        re.MULTILINE,
    )
    said = {
        name: found[1]
        for comment, name in comments
        for found in [re.search(r"Default:[\s/]+`?(\w+)`?( s)?\.\s", comment)]
        if found and name in printed
    }

    assert len(said) > 15
    assert {name: in_words(printed[name]) for name in said} == said


def in_words(printed: str) -> str:
    """Give a default of the page as a comment has it."""
    value = "none" if printed == "none" else tomllib.loads(f"it = {printed}")["it"]
    if isinstance(value, list):
        return " ".join(value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value).lower()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_dated_and_short(page: Path) -> None:
    text = page.read_text()

    assert re.match(r"# .+\n\n\d{4}-\d{2}-\d{2}\n", text)
    assert len(text.splitlines()) <= 15
