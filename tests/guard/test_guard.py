"""Personal data that are planted are found wherever they are told."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import grpc
import grpc.aio
import pytest
import typer
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from command import COMMAND
from guard.personal import kinds_in
from guard.watch import Guard, told_in
from telemetry.canaries import CANARIES
from tokferry_server.telemetry import metrics
from tokferry_server.telemetry.tally import Tally

MAIL = "jo@example.com"
FOUND = f"an e-mail address ({MAIL})"

Watching = tuple[Guard, Path]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("event of jane.doe@example.com", "an e-mail address"),
        ('{"ip":"203.0.113.7"}', "an IP address"),
        ("from 2001:DB8::7", "an IP address"),
        ("phone +12133734253 refused", "a telephone number"),
        ("Bearer a-made-up-token-of-a-caller", "a token"),
        ("https://shop.example.com/thanks?q=1", "a page"),
        ("ExampleBrowser/1.0", "a browser"),
        ("E.C.P.made-up-click", "a click id"),
    ],
)
def test_each_kind_of_personal_data_is_known(text: str, kind: str) -> None:
    [found] = kinds_in(text)
    assert found.startswith(kind)


def test_each_canary_is_known() -> None:
    assert [name for name, one in CANARIES.items() if not kinds_in(f"x {one} y")] == []


def test_what_the_service_may_tell_is_not_personal() -> None:
    told = (
        "2026-11-23T06:42:39.287+00:00 listening on 127.0.0.1:50051, "
        "connection shop, http://127.0.0.1:40001/open_api/v1.3/event/track/, "
        "https://business-api.tiktok.com, incident 0123456789abcdef"
    )
    assert kinds_in(told) == ()


def test_a_record_below_the_level_is_looked_at_and_not_logged(
    guard: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("tokferry_server.planted").debug("event of %s", MAIL)
    logging.getLogger("a_library").warning("event of %s", MAIL)  # told without values
    assert guard[0].take() == [f"log of tokferry_server.planted: {FOUND}"]
    assert [record.name for record in caplog.records] == ["a_library"]


def test_a_field_of_a_record_is_looked_at(guard: Watching) -> None:
    extra = {"connection": MAIL}
    logging.getLogger("tokferry_server.planted").error("a fault", extra=extra)
    assert guard[0].take() == [f"log of tokferry_server.planted: {FOUND}"]


@pytest.mark.parametrize("provider", [None, TracerProvider()])
def test_a_span_is_looked_at_whoever_provides_it(
    guard: Watching, provider: trace.TracerProvider | None
) -> None:
    tracer = trace.get_tracer("planted", tracer_provider=provider)
    tracer.start_span("map", attributes={"tokferry.user": MAIL}).end()
    with pytest.raises(ValueError, match="jo"), tracer.start_as_current_span("POST"):
        raise ValueError(MAIL)
    assert guard[0].take() == [f"span map: {FOUND}", f"span POST: {FOUND}"]


def test_an_attribute_of_a_metric_is_looked_at(guard: Watching) -> None:
    Tally(metrics.EVENTS).add("shop", "delivered", "metric-of-jo@example.com", "")
    [found] = guard[0].take()
    assert found.startswith("metrics: an e-mail address")


def test_a_status_is_looked_at(guard: Watching) -> None:
    nothing = grpc.aio.Metadata()
    code = grpc.StatusCode.INVALID_ARGUMENT
    grpc.aio.AioRpcError(code, nothing, nothing, details=f"no event of {MAIL}")
    grpc.aio.AioRpcError(code, nothing, grpc.aio.Metadata(("reason", MAIL)))
    assert guard[0].take() == [f"status: {FOUND}"]


def test_an_error_of_a_command_is_looked_at(guard: Watching) -> None:
    typer.echo(f"to {MAIL}")
    assert guard[0].take() == []
    typer.echo(f"no event of {MAIL}", err=True)
    assert guard[0].take() == [f"error output: {FOUND}"]


def test_a_command_of_its_own_is_looked_at(guard: Watching) -> None:
    ended = subprocess.run([*COMMAND, "check", MAIL], capture_output=True, check=False)
    assert ended.returncode
    assert told_in(guard[1]) == [
        f"`tokferry check`, process list: {FOUND}",
        f"`tokferry check`, error output: {FOUND}",
    ]


PLANTED = """
import logging

import pytest

from guard.plugin import guard, nothing_personal_is_told

log = logging.getLogger("tokferry_server.planted")


def test_quiet():
    log.warning("ready")


def test_telling():
    log.debug("event of jo@example.com")


@pytest.mark.tells("to see that it can be allowed")
def test_allowed():
    log.debug("event of jo@example.com")
"""


def test_a_test_fails_during_which_something_is_told(tmp_path: Path) -> None:
    file = tmp_path / "test_planted.py"
    file.write_text(PLANTED)
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", str(file), "-c", str(root / "pyproject.toml")],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "3 passed, 1 error" in ended.stdout
    assert f"log of tokferry_server.planted: {FOUND}" in ended.stdout
    assert "ERROR at teardown of test_telling" in ended.stdout
