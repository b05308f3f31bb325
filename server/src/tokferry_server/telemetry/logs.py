"""The log: one JSON object a line, without personal data and without line breaks.

What is said with a record is taken only under the names of ``FIELDS``. Of libraries'
records no values are taken at all, and of no exception its text: it may hold anything.
"""

import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from opentelemetry import trace

from tokferry_server.telemetry.frames import frames_of

LONGEST_VALUE: Final = 256
_OWN: Final = "tokferry_server"
FIELDS: Final = frozenset(
    {
        *("connection", "state", "reason", "events", "connections", "principal"),
        *("address", "version", "settings", "incident", "seconds", "error", "worker"),
        *("method", "status", "certificate", "audit", "stack"),
    }
)
QUIET: Final = ("httpx", "httpcore", "hpack", "h11", "aiohttp", "asyncio")
"""These print URLs, headers or reprs of tasks when they may."""


class JsonFormatter(logging.Formatter):
    """Writes a record as JSON; values are at most ``LONGEST_VALUE`` characters.

    ``worker`` is the number of the process, if there are several.
    """

    def __init__(self, worker: int | None = None) -> None:
        super().__init__()
        self._own = {} if worker is None else {"worker": worker}

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        line = {name: _value(value) for name, value in _members(record)} | self._own
        # Escapes all but printable ASCII, and DEL, which JSON lets through.
        return json.dumps(line).replace("\x7f", "\\u007f")


def configure_logging(
    level: int = logging.INFO,
    stream: TextIO | None = None,
    *,
    worker: int | None = None,
) -> logging.Handler:
    """Let the process log as JSON to ``stream``, which is the error output."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(worker))
    root = logging.getLogger()
    for other in list(root.handlers):
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    return handler


def _members(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    moment = datetime.fromtimestamp(record.created, UTC)
    yield "time", moment.isoformat(timespec="milliseconds")
    yield "level", record.levelname.lower()
    yield "logger", record.name
    own = record.name.partition(".")[0] == _OWN
    yield "message", record.getMessage() if own else _of_library(record)
    if own:
        said = vars(record)
        for name in sorted(FIELDS & said.keys()):
            if said[name] is not None:
                yield name, said[name]
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        yield "trace_id", trace.format_trace_id(span.trace_id)
        yield "span_id", trace.format_span_id(span.span_id)
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        yield "error", type(error).__name__
        yield "stack", frames_of(error)


def _of_library(record: logging.LogRecord) -> str:
    """Give the message without values; where it stands, if they may be part of it."""
    if record.args:
        return str(record.msg)
    return f"at {record.module}.{record.funcName}, line {record.lineno}"


def _value(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(name): _value(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_value(one) for one in value]
    return str(value)[:LONGEST_VALUE]
