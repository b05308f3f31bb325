"""What tests of every room may ask for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from guard.plugin import guard, nothing_personal_is_told

__all__ = ["guard", "nothing_personal_is_told"]

Program = Callable[[str, str], Path]


@pytest.fixture(scope="session")
def program() -> Program:
    """Give the path of a program that is no part of the environment.

    Takes its name and the command that installs it. Without it the test is skipped,
    but fails where CI is `true`: there nothing may be missing.
    """

    def find(name: str, install: str) -> Path:
        found = shutil.which(name)
        if found is None:
            text = f"{name} is missing; install it by: {install}"
            if os.environ.get("CI") == "true":
                pytest.fail(text)
            pytest.skip(text)
        return Path(found)

    return find
