"""Every example, built once; the server and the sandbox that they call."""

import os
import shutil
from collections.abc import Iterator

import pytest

from polyglot.languages import LANGUAGES, PATH, Clone, Example, Language, built, cloned
from polyglot.recorder import Recorder, recording
from polyglot.world import World


def missing(language: Language) -> str:
    """Say what a language lacks on this machine, and how to install it."""
    return "; ".join(
        f"{program} is missing; install it by: {install}"
        for program, install in language.needs.items()
        if shutil.which(program, path=PATH) is None
    )


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return cloned(tmp_path_factory.mktemp("clone"))


# One process of the tests builds and runs all of a language.
GROUPS = [
    pytest.param(one, id=one.name, marks=pytest.mark.xdist_group(one.name))
    for one in LANGUAGES
]


@pytest.fixture(scope="session", params=GROUPS)
def example(request: pytest.FixtureRequest, clone: Clone) -> Example:
    language: Language = request.param
    if text := missing(language):
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    return built(language, clone)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("world"))
    yield world
    world.end()


@pytest.fixture
def world(running: World) -> World:
    """A sandbox that remembers nothing of other tests."""
    running.forget()
    return running


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording() as one:
        yield one


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")
