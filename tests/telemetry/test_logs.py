"""The log holds one line a record, allowed fields only, and nobody's data."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from made_up import batch, purchase
from telemetry.conftest import Watch, until
from tokferry_server.delivery.durable.status import LaneState
from tokferry_server.sandbox.faults import Fault
from tokferry_server.telemetry.logs import QUIET, JsonFormatter, configure_logging
from tokferry_server.telemetry.notices import Notices
from tokferry_server.tiktok.reasons import DeliveryReason

OWN = "tokferry_server.somewhere"


@pytest.fixture
def lines() -> Iterator[Any]:
    """Log to memory; give a function that reads the lines so far."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    quiet = {name: logging.getLogger(name).level for name in QUIET}
    stream = io.StringIO()
    configure_logging(logging.DEBUG, stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    for name, old in quiet.items():
        logging.getLogger(name).setLevel(old)


def test_a_line_has_time_level_logger_and_the_allowed_fields(lines: Any) -> None:
    logging.getLogger(OWN).info(
        "ready", extra={"connection": "shop", "password": "jo", "reason": None}
    )
    [line] = lines()
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": OWN,
        "message": "ready",
        "connection": "shop",
    }


def test_control_characters_cannot_make_a_second_line() -> None:
    record = logging.makeLogRecord(
        {"name": OWN, "msg": "%s", "args": ("a\nb\r\x1b[31m\x7f\u2028\x85",)}
    )
    text = JsonFormatter().format(record)
    assert text.isprintable()
    assert text.isascii()
    assert json.loads(text)["message"] == "a\nb\r\x1b[31m\x7f\u2028\x85"


def test_values_are_capped(lines: Any) -> None:
    logging.getLogger(OWN).info("m" * 999, extra={"reason": "r" * 999})
    [line] = lines()
    assert (len(line["message"]), len(line["reason"])) == (256, 256)


def test_a_line_names_the_span_it_belongs_to(lines: Any) -> None:
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("call") as span:
        logging.getLogger(OWN).warning("inside")
    context = span.get_span_context()
    [line] = lines()
    assert line["trace_id"] == f"{context.trace_id:032x}"
    assert line["span_id"] == f"{context.span_id:016x}"


def test_an_exception_is_told_without_its_text(lines: Any) -> None:
    try:
        int("jo@example.com")
    except ValueError:
        logging.getLogger(OWN).exception("it failed")
    [line] = lines()
    assert line["error"] == "ValueError"
    assert "test_logs.py" in line["stack"][-1]
    assert "jo@example.com" not in json.dumps(line)


@pytest.mark.parametrize(
    ("message", "arguments", "shown"),
    [
        ("got %s", ("jo@example.com",), "got %s"),
        ("got jo@example.com", (), "at test_logs."),
    ],
)
def test_of_a_library_no_values_are_told(
    lines: Any, message: str, arguments: tuple[str, ...], shown: str
) -> None:
    extra = {"connection": "jo@example.com"}
    logging.getLogger("somelibrary").warning(message, *arguments, extra=extra)
    [line] = lines()
    assert line["message"].startswith(shown)
    assert "jo@example.com" not in json.dumps(line)


@pytest.mark.parametrize("name", QUIET)
def test_libraries_that_print_headers_are_quiet(lines: Any, name: str) -> None:
    logging.getLogger(name).info("Access-Token: %s", "secret")
    assert lines() == []


def test_states_are_told_once_when_they_change(lines: Any) -> None:
    notices = Notices()
    for _ in range(3):
        notices.state("shop", LaneState.RUNNING)
    for _ in range(3):
        notices.state("shop", LaneState.BREAKER_OPEN)
    notices.state("shop", LaneState.PAUSED, "a note of jo@example.com")
    notices.state("shop", LaneState.RUNNING)
    told = [(line["level"], line["state"], line.get("reason")) for line in lines()]
    assert told == [
        ("warning", "breaker_open", None),
        ("warning", "paused", None),
        ("info", "running", None),
    ]


def test_an_alarm_is_repeated_after_five_minutes(lines: Any) -> None:
    now = 0.0
    notices = Notices(lambda: now)
    for _ in range(601):
        notices.alarm("shop", DeliveryReason.CONNECTION_AUTH)
        now += 1.0
    assert [line["level"] for line in lines()] == ["error"] * 3


async def test_an_operator_is_told_what_happens_to_connections(
    watch: Watch, lines: Any
) -> None:
    refuse = Fault(reply="refuse", event_ids=frozenset({"message-1"}), times=None)
    seen = await watch(outbox=True, sandbox={"faults": [refuse]})
    await seen.client.forward(
        batch(*(purchase(n) for n in range(3))), connection="shop", mode="durable"
    )

    def told() -> list[tuple[Any, ...]]:
        return [
            (line["message"], line.get("connection"), line.get("events"))
            for line in lines()
            if line["logger"].endswith("notices")
        ]

    dead = ("1 events of connection shop became dead letters", "shop", 1)
    await until(lambda: dead in told())
    seen.sandbox.script([Fault(code=40105), Fault(code=40105)])
    await seen.client.forward(batch(purchase(7)), connection="shop", mode="durable")
    await until(lambda: ("connection shop is paused", "shop", None) in told())
    [alarm] = [line for line in lines() if line["level"] == "error"]
    assert (alarm["connection"], alarm["reason"]) == ("shop", "CONNECTION_AUTH")
