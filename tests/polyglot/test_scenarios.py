"""Programs in every language call the real server; the sandbox's count decides."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest

from polyglot.every_field import present, scalars
from polyglot.languages import Example
from polyglot.recorder import Recorder
from polyglot.scenarios import EVERY_FIELD, SCENARIOS, Scenario
from polyglot.world import World
from tokferry.mparticle.v1 import Batch
from tokferry.v1 import TransformRequest

pytestmark = [pytest.mark.polyglot, pytest.mark.timeout(900)]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_a_scenario(
    scenario: Scenario,
    example: Example,
    world: World,
    recorder: Recorder,
    tmp_path: Path,
) -> None:
    recorder.answer = scenario.answered()

    result = played(scenario, example, world, recorder, tmp_path)

    failed = scenario.stderr != ()
    assert result.returncode == int(failed), result
    assert result.stdout.splitlines() == scenario.lines()
    if failed:
        assert_shown(result.stderr.splitlines(), scenario.stderr)
    counts = world.counts()
    assert counts["changed"] == 0
    assert counts["taken"] == (scenario.events or scenario.taken)
    ids = scenario.ids or [f"message-{number}" for number in range(scenario.events)]
    if ids:
        assert sorted(one["event_id"] for one in world.events()) == sorted(ids)
    assert len(recorder.requests) == scenario.requests
    if scenario.sent is not None:
        request = TransformRequest.FromString(recorder.requests[-1])
        assert list(request.batches.batches) == [scenario.batch()]


def played(
    scenario: Scenario, example: Example, world: World, recorder: Recorder, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run it as often as it says; gives what came of the last time."""
    variables = world.variables(scenario.caller)
    if scenario.server != "real":
        del variables["TOKFERRY_CA"]
        is_recorder = scenario.server == "recorder"
        target = recorder.target if is_recorder else scenario.server
        variables["TOKFERRY_TARGET"] = target
    arguments = scenario.arguments(folder)
    for _ in range(scenario.calls - 1):
        example.call(*arguments, **variables)
    if scenario.signal is None:
        return example.call(*arguments, **variables)
    process = example.start(*arguments, **variables)
    try:
        world.wait_for(scenario.events // 4)
        world.stop(signal.Signals[scenario.signal])
        before = world.counts()["taken"]
        world.start()
        assert before < scenario.events  # else nothing was broken
        out, err = process.communicate(timeout=600)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def assert_shown(lines: list[str], patterns: tuple[str, ...]) -> None:
    """See that these lines were printed and no others."""
    assert len(lines) == len(patterns), lines
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.fullmatch(pattern, line), line


@pytest.mark.parametrize("name", EVERY_FIELD)
def test_every_scalar_of_the_model_is_set(name: str) -> None:
    assert set(scalars(Batch.DESCRIPTOR, set())) <= set(present(EVERY_FIELD[name]))
