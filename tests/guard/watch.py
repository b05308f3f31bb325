"""Looks at all that the service tells of itself while tests run, whatever they test.

Log records count from DEBUG on, and calls are all traced; neither changes what a test
sees of the log, or what level the service runs with.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Final

from guard.personal import kinds_in

FOLDER: Final = "TOKFERRY_TESTS_GUARD"
"""Names the folder into which the commands that tests start write what they find."""
_OWN: Final = ("tokferry", "tokferry_server")

Tell = Callable[[str], None]


class Guard:
    """Keeps what was found since it was last asked; ``tell`` hears of each."""

    def __init__(self, tell: Tell | None = None) -> None:
        self._found: dict[str, None] = {}
        self._tell = tell

    def see(self, where: str, text: object, *, for_operators: bool = False) -> None:
        """Look for personal data in what is told somewhere."""
        for kind in kinds_in(str(text), for_operators=for_operators):
            finding = f"{where}: {kind}"
            if finding not in self._found:
                self._found[finding] = None
                if self._tell is not None:
                    self._tell(finding)

    def take(self) -> list[str]:
        """Give what was found, and forget it."""
        found, self._found = list(self._found), {}
        return found


def told_in(folder: Path) -> list[str]:
    """Give what commands have found, and forget it."""
    found: list[str] = []
    for file in folder.iterdir():
        found += file.read_text().splitlines()
        file.unlink()
    return found


def watch_log(guard: Guard) -> None:
    """See each record as the service writes it, those below its level as well."""
    from tokferry_server.telemetry.logs import JsonFormatter

    enabled, handle = logging.Logger.isEnabledFor, logging.Logger.handle
    formatter = JsonFormatter()

    def is_enabled(logger: logging.Logger, level: int) -> bool:
        return _is_own(logger) or enabled(logger, level)

    def look(logger: logging.Logger, record: logging.LogRecord) -> None:
        guard.see(f"log of {record.name}", formatter.format(record))
        if enabled(logger, record.levelno):
            handle(logger, record)

    _put(logging.Logger, "isEnabledFor", is_enabled)
    _put(logging.Logger, "handle", look)


def watch_spans(guard: Guard) -> None:
    """Trace everything, and see each span that ends."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import (
        ReadableSpan,
        SynchronousMultiSpanProcessor,
        TracerProvider,
    )

    on_end = SynchronousMultiSpanProcessor.on_end

    def look(processor: SynchronousMultiSpanProcessor, span: ReadableSpan) -> None:
        told = (span.name, dict(span.attributes or {}), span.status.description)
        events = [(one.name, dict(one.attributes or {})) for one in span.events]
        guard.see(f"span {span.name}", (told, events))
        on_end(processor, span)

    _put(SynchronousMultiSpanProcessor, "on_end", look)
    trace.set_tracer_provider(TracerProvider())


def watch_metrics(guard: Guard) -> None:
    """See the attributes of all that is measured, each combination once."""
    from tokferry_server.telemetry.instruments import Instruments
    from tokferry_server.telemetry.tally import Tally

    add, histogram = Tally.add, Instruments.histogram
    known: set[tuple[object, ...]] = set()

    def look(values: tuple[object, ...]) -> None:
        if values not in known:
            known.add(values)
            guard.see("metrics", values)

    def adding(tally: Tally, *values: str, number: float = 1) -> None:
        look(values)
        add(tally, *values, number=number)

    def watched(instruments: Instruments, instrument: Any) -> Any:
        made = histogram(instruments, instrument)
        return _Histogram(made, look)

    _put(Tally, "add", adding)
    _put(Instruments, "histogram", watched)


class _Histogram:
    """Records what another one does, and shows the attributes."""

    def __init__(self, made: Any, look: Callable[[tuple[object, ...]], None]) -> None:
        self._made = made
        self._look = look

    def record(
        self, amount: float, attributes: Mapping[str, object] | None = None
    ) -> None:
        """Record an amount."""
        self._look(tuple((attributes or {}).values()))
        self._made.record(amount, attributes)


def watch_statuses(guard: Guard) -> None:
    """See what failed calls tell their callers, in both clients of gRPC."""
    import grpc.aio
    from grpc import _channel

    made, made_sync = grpc.aio.AioRpcError.__init__, _channel._InactiveRpcError.__init__

    @wraps(made)
    def look(error: grpc.aio.AioRpcError, *given: Any, **named: Any) -> None:
        made(error, *given, **named)
        guard.see("status", (error.details(), error.trailing_metadata()))

    @wraps(made_sync)
    def look_sync(error: Any, *given: Any) -> None:
        made_sync(error, *given)
        guard.see("status", (error.details(), error.trailing_metadata()))

    _put(grpc.aio.AioRpcError, "__init__", look)
    _put(_channel._InactiveRpcError, "__init__", look_sync)


def watch_errors(guard: Guard) -> None:
    """See what commands say on the error output, if they run in this process."""
    import typer

    echo = typer.echo

    @wraps(echo)
    def look(message: object = None, *given: Any, **named: Any) -> None:
        if named.get("err"):
            guard.see("error output", message)
        echo(message, *given, **named)

    vars(typer)["echo"] = look


def watch_admin(guard: Guard) -> None:
    """See what an operator is shown who does not ask for more."""
    from tokferry_server.rpc.admin import AdminService

    def watched(name: str) -> Callable[..., Any]:
        call = getattr(AdminService, name)

        @wraps(call)
        async def look(service: Any, request: Any, context: Any = None) -> Any:
            response = await call(service, request, context)
            if not getattr(request, "reveal", False):
                guard.see(f"admin view {name}", response, for_operators=True)
            return response

        return look

    for name in (
        *("GetOutboxStats", "GetDeadLetterStats", "ListDeadLetters"),
        *("GetDeadLetter", "ListConnectionStatuses"),
    ):
        _put(AdminService, name, watched(name))


def _is_own(logger: logging.Logger) -> bool:
    return logger.name.partition(".")[0] in _OWN


def _put(owner: type, name: str, new: Callable[..., Any]) -> None:
    setattr(owner, name, new)
