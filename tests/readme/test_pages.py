"""What any page names is there: commands, options, targets, files and headings."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main

from tokferry_server.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
]
COMMAND = typer.main.get_command(app)
LINK = re.compile(r"\]\(([^)\s]*)\)")
TYPED = re.compile(r"`tokferry ([^`]+)`|^(?:\.venv/bin/)?tokferry (.+)", re.MULTILINE)
TARGET = re.compile(r"`make ([a-z-]+)`|^make ([a-z-]+)", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Give the names that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        if "://" in link:
            continue
        name, _, heading = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not heading or heading in anchors(target), link


def test_every_command_takes_what_pages_give_it() -> None:
    typed = [
        (page, words)
        for page in PAGES
        for words in map("".join, TYPED.findall(page.read_text()))
    ]
    assert len(typed) > 40

    for page, words in typed:
        command: Any = COMMAND
        for word in shlex.split(re.split(r"[|>&]", words)[0]):
            if hasattr(command, "commands") and not word.startswith("-"):
                command = command.commands[word]
            elif word.startswith("--") and word != "--help":
                options = {name for one in command.params for name in one.opts}
                assert word.partition("=")[0] in options, f"{page}: {words}"


def test_every_target_is_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = {
        (page, "".join(name))
        for page in PAGES
        for name in TARGET.findall(page.read_text())
    }
    assert len(named) > 10

    for page, name in named:
        assert re.search(rf"^{name}:", makefile, re.MULTILINE), f"{page}: {name}"
