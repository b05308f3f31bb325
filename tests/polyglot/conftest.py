"""Every example, built once; the server and the sandbox that they call."""

import os
import shutil
from collections.abc import Iterator

import pytest

from polyglot.languages import LANGUAGES, PATH, Example, Language, built
from polyglot.recorder import Recorder, recording
from polyglot.world import World


def missing(language: Language) -> str:
    """Say what a language lacks on this machine, and how to install it."""
    return "; ".join(
        f"{program} is missing; install it by: {install}"
        for program, install in language.needs.items()
        if shutil.which(program, path=PATH) is None
    )


@pytest.fixture(scope="session", params=LANGUAGES, ids=lambda one: one.name)
def example(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Example:
    language: Language = request.param
    if text := missing(language):
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    return built(language, tmp_path_factory.mktemp(language.name))


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
