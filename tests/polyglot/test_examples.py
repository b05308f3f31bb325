"""Programs in every language call the real server; the sandbox's count decides."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from google.rpc import status_pb2

from made_up import batch, purchase
from polyglot.every_field import WAYS, filled, present, scalars
from polyglot.languages import ROOT, Example
from polyglot.recorder import Recorder, draining
from polyglot.world import World
from tokferry.mparticle.v1 import Batch
from tokferry.v1 import (
    Drop,
    EventResult,
    ForwardResponse,
    ForwardTotals,
    TransformRequest,
)

pytestmark = [pytest.mark.polyglot, pytest.mark.timeout(900)]
SCENARIOS = tomllib.loads((Path(__file__).parent / "scenarios.toml").read_text())
EXPECTED = (Path(__file__).parent / "purchase.json").read_text()
EVENTS = int(os.environ.get("POLYGLOT_EVENTS", "20000"))
PER_BATCH = 10
NONE = "rejected=0 delivered={0} accepted=0 retryable=0 unknown=0 validated=0"


def test_the_commands_of_the_readme_run_in_an_empty_folder(
    example: Example, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    forward, transform, stream = example.commands

    forwarded = example.shell(forward, **world.variables())
    seconds = time.monotonic() - example.began
    with capsys.disabled():
        print(f"\n{example.language.name}: first Forward {seconds:.0f} s after clone")

    assert forwarded.splitlines() == [
        "batch 0 event 0: OUTCOME_DELIVERED",
        "batch 0 event 1: OUTCOME_DROPPED DROP_REASON_UNSUPPORTED_EVENT event",
        "totals: received=2 dropped=1 " + NONE.format(1),
    ]
    assert world.counts()["taken"] == 1
    assert example.shell(transform, **world.variables()) == EXPECTED
    assert example.shell(stream, **world.variables()).splitlines() == [
        "line 4 event 0: OUTCOME_DROPPED DROP_REASON_ENVIRONMENT batch.environment",
        "totals: received=4 dropped=1 " + NONE.format(3),
    ]
    assert world.counts()["taken"] == 4


def test_a_batch_read_from_json_gives_the_same_bytes(
    example: Example, world: World, recorder: Recorder, tmp_path: Path
) -> None:
    example.call("transform", **recorder.variables)
    request = TransformRequest.FromString(recorder.requests[-1])
    file = tmp_path / "batch.json"
    file.write_text(json_format.MessageToJson(request.batches.batches[0]))

    result = example.call("transform", str(file), **world.variables())

    assert result.stdout == EXPECTED, result.stderr


@pytest.mark.parametrize("way", WAYS)
def test_every_scalar_survives(
    way: str, example: Example, recorder: Recorder, tmp_path: Path
) -> None:
    made = filled(way)
    file = tmp_path / "batch.json"
    file.write_text(json_format.MessageToJson(made, ensure_ascii=False))
    assert set(scalars(Batch.DESCRIPTOR, set())) <= set(present(made))

    result = example.call("transform", str(file), **recorder.variables)

    assert result.returncode == 0, result.stderr
    request = TransformRequest.FromString(recorder.requests[-1])
    assert request.batches.batches[0] == made


def test_what_is_absent_stays_absent(
    example: Example, recorder: Recorder, tmp_path: Path
) -> None:
    file = tmp_path / "batch.json"
    file.write_text('{"events": [{"commerceEvent": {"productAction": {}}}]}')

    example.call("transform", str(file), **recorder.variables)

    request = TransformRequest.FromString(recorder.requests[-1])
    assert list(present(request.batches.batches[0])) == []


def test_answers_of_a_newer_server_are_understood(
    example: Example, recorder: Recorder
) -> None:
    recorder.answer = ForwardResponse(
        results=[
            EventResult(batch=0, event=0, outcome=99),  # type: ignore[arg-type]
            EventResult(batch=4_294_967_295, outcome=3, drop=Drop(reason=999)),  # type: ignore[arg-type]
        ],
        totals=ForwardTotals(received=2**53 + 1, unknown=2**64 - 1),
    )

    result = example.call("forward", "../batch.json", **recorder.variables)

    huge = f"accepted=0 retryable=0 unknown={2**64 - 1} validated=0"
    assert result.stdout.splitlines() == [
        "batch 0 event 0: 99",
        "batch 4294967295: OUTCOME_DROPPED 999",
        f"totals: received={2**53 + 1} dropped=0 rejected=0 delivered=0 {huge}",
    ], result.stderr


@pytest.mark.parametrize("refused", SCENARIOS["refused"], ids=lambda one: one["code"])
def test_errors_are_decoded(
    refused: dict[str, Any], example: Example, world: World
) -> None:
    for _ in range(refused.get("calls", 1)):
        result = example.call(
            "forward", refused["file"], **world.variables(refused["caller"])
        )

    assert_shown(result, refused["shown"])


def test_unavailable_is_tried_four_times_and_decoded(
    example: Example, recorder: Recorder
) -> None:
    recorder.answer = draining()
    assert isinstance(recorder.answer, status_pb2.Status)

    result = example.call("forward", "../batch.json", **recorder.variables)

    lines = [r"UNAVAILABLE DRAINING: .*stopping", "  a = 1", "  b = 2"]
    assert_shown(result, [*lines, r"  retry after 1\.5 s"])
    assert len(recorder.requests) == 4


def test_a_token_is_not_sent_in_clear_text_to_another_machine(example: Example) -> None:
    result = example.call(
        "forward",
        "../batch.json",
        TOKFERRY_TARGET="tokferry.example.com:443",
        TOKFERRY_TOKEN="a-made-up-token",
    )

    assert result.returncode != 0
    assert "clear text" in result.stderr


def test_a_server_killed_in_the_middle_loses_and_doubles_nothing(
    example: Example, world: World, tmp_path: Path
) -> None:
    file = tmp_path / "batches.ndjson"
    with file.open("w") as lines:
        for first in range(0, EVENTS, PER_BATCH):
            events = (purchase(n) for n in range(first, first + PER_BATCH))
            lines.write(json.dumps(batch(*events)) + "\n")

    process = example.start("stream", str(file), **world.variables())
    try:
        world.wait_for(EVENTS // 4)
        world.kill()
        before = world.counts()["taken"]
        world.start()
        out, err = process.communicate(timeout=600)
    finally:
        process.kill()

    assert process.returncode == 0, err
    assert EVENTS // 4 <= before < EVENTS
    totals = f"totals: received={EVENTS} dropped=0 {NONE.format(EVENTS)}"
    assert out.splitlines() == [totals]
    counts = world.counts()
    assert (counts["taken"], counts["changed"]) == (EVENTS, 0)
    ids = {one["event_id"] for one in world.events()}
    assert ids == {f"message-{number}" for number in range(EVENTS)}


def test_lock_files_name_no_registry() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "client/examples"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    locks = [
        name
        for name in listed.stdout.split("\0")
        if name.endswith((".sum", "lock.json"))
    ]
    assert len(locks) == 2

    for name in locks:
        assert not re.search(r"https?://[^/]*(npm|registry)", (ROOT / name).read_text())


def assert_shown(result: subprocess.CompletedProcess[str], patterns: list[str]) -> None:
    """See that it failed with these lines and no others."""
    lines = result.stderr.splitlines()
    assert result.returncode == 1, result
    assert len(lines) == len(patterns), lines
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.fullmatch(pattern, line), line
