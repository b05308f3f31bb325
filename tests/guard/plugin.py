"""Fails each test during which the service tells personal data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from guard.watch import (
    FOLDER,
    Guard,
    told_in,
    watch_admin,
    watch_errors,
    watch_log,
    watch_metrics,
    watch_spans,
    watch_statuses,
)

WATCHES: Final = (
    *(watch_log, watch_spans, watch_metrics),
    *(watch_statuses, watch_errors, watch_admin),
)


@pytest.fixture(scope="session")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Guard, Path]]:
    """Watch from now on, in this process and in the commands that it starts."""
    guard, folder = Guard(), tmp_path_factory.mktemp("guard")
    for watch in WATCHES:
        watch(guard)
    os.environ[FOLDER] = str(folder)
    yield guard, folder
    del os.environ[FOLDER]


@pytest.fixture(autouse=True)
def nothing_personal_is_told(
    guard: tuple[Guard, Path], request: pytest.FixtureRequest
) -> Iterator[None]:
    """Look, once a test is over, at what was told meanwhile."""
    watching, folder = guard
    yield
    found = [*watching.take(), *told_in(folder)]
    allowed = request.node.get_closest_marker("tells")
    if found and allowed is None:
        pytest.fail("personal data are told:\n" + "\n".join(found), pytrace=False)
