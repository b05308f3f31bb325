"""Sixty marked secrets through calls of every kind: none is found where none may be."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry import trace

from guard.watch import Guard
from telemetry.canaries import CANARIES, OPERATORS_SEE, TIKTOK_GETS, batch, found_in
from telemetry.conftest import Seen, Watch, until
from telemetry.process import served, settings_file
from telemetry.receiver import receiving
from tokferry import AsyncClient, TokferryError
from tokferry.v1 import (
    GetDeadLetterRequest,
    GetOutboxStatsRequest,
    ListConnectionStatusesRequest,
    ListDeadLettersRequest,
)
from tokferry.v1.admin_service_pb2_grpc import AdminServiceStub
from tokferry_server.delivery.poster import Poster
from tokferry_server.rpc import admin_mask, dispatch
from tokferry_server.rpc.dispatch import Dispatch
from tokferry_server.sandbox.faults import Fault
from tokferry_server.sandbox.server import Sandbox
from tokferry_server.telemetry.logs import QUIET, configure_logging
from tokferry_server.telemetry.notices import Notices

ECHO = " ".join(CANARIES.values())
"""What TikTok and failing code say: everything."""

Sinks = dict[str, str | bytes]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Log at DEBUG to memory, as the service does."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    quiet = {name: logging.getLogger(name).level for name in QUIET}
    stream = io.StringIO()
    configure_logging(logging.DEBUG, stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    for name, old in quiet.items():
        logging.getLogger(name).setLevel(old)


@pytest.fixture
async def seen(watch: Watch, tmp_path: Path) -> Seen:
    """Start a service in full view, with a token that is a canary."""
    token = CANARIES["access_token"]
    running = await watch(
        outbox=True,
        sandbox={"token": token},
        user_attributes=True,
        native_events="extended",
    )
    (tmp_path / "token").write_text(token)
    return running


class Statuses:
    """Keeps what failed calls tell their callers."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def of(self, call: Any) -> None:
        """Wait for a call, whatever comes of it."""
        try:
            await call
        except TokferryError as error:
            self.told.append(repr(vars(error)) + str(error))
            cause = error.__cause__
            if isinstance(cause, grpc.RpcError):
                self.told.append(repr(cause))


async def calls_of_every_kind(seen: Seen, statuses: Statuses) -> None:
    """Call everything, with faults of TikTok's that echo what they got."""
    client, echo = seen.client, Fault(code=40002, message=f"Batch.0.user: Got {ECHO}")
    marked: dict[str, Any] = {
        "connection": "shop",
        "label": CANARIES["label"],
        "test_event_code": CANARIES["test_code"],
    }
    await client.transform(batch(1), connection="shop")
    await client.transform(batch(1), connection="shop", explain=True)
    await statuses.of(client.transform(b"{" + ECHO.encode(), connection="shop"))
    await statuses.of(client.forward(batch(1), connection=CANARIES["email"]))
    await statuses.of(client.describe_connection(CANARIES["email"]))
    seen.sandbox.script([echo, Fault(reply="html", status=502), Fault(reply="reset")])
    await client.forward(batch(2), connection="shop", validate_only=True)
    await client.forward(batch(3), mode="sync", **marked)
    await client.forward(batch(4), mode="sync", **marked)
    seen.sandbox.script([echo] * 2)
    await client.forward(batch(5), mode="durable", **marked)
    await until(lambda: "dead" in seen.values("tokferry.outbox.events", "fate"))
    stream = client.forward_stream([batch(6), batch(7)], connection="shop")
    async for _ in stream:
        pass
    await client.describe_connection("shop")


async def exceptions(
    seen: Seen, statuses: Statuses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let code fail with everything in its text: in calls, tasks and the worker."""

    async def fail(*_args: Any, **_named: Any) -> Any:
        raise ValueError(ECHO)

    with monkeypatch.context() as patched:
        patched.setattr(Dispatch, "prepare", fail)
        await statuses.of(seen.client.forward(batch(8), connection="shop"))
        with suppress(TokferryError):
            async for _ in seen.client.forward_stream([batch(9)], connection="shop"):
                pass
    asyncio.get_running_loop().call_exception_handler(
        {"message": f"Task failed: {ECHO}", "exception": ValueError(ECHO)}
    )
    assert seen.service.durable is not None
    [lane] = [
        one
        for name, one in seen.service.durable.worker._lanes.by_name.items()
        if name == "shop"
    ]
    poster: Poster = lane.settings.poster
    with monkeypatch.context() as patched:
        patched.setattr(type(poster), "post", fail)
        await seen.client.forward(batch(10), connection="shop", mode="durable")
        await until(lambda: lane.counts.retried)


async def admin_views(seen: Seen) -> str:
    """Ask everything that an operator sees without asking to see more."""
    async with grpc.aio.insecure_channel(f"unix:{seen.service.admin.path}") as channel:
        admin: Any = AdminServiceStub(channel)
        letters = await admin.ListDeadLetters(ListDeadLettersRequest())
        assert letters.dead_letters
        answers = [
            letters,
            await admin.GetOutboxStats(GetOutboxStatsRequest()),
            await admin.ListConnectionStatuses(ListConnectionStatusesRequest()),
        ]
        answers += [
            await admin.GetDeadLetter(GetDeadLetterRequest(id=one.id))
            for one in letters.dead_letters
        ]
    return "\n".join(map(str, answers))


def stored(folder: Path) -> bytes:
    """Give all bytes of the outbox."""
    return b"".join(path.read_bytes() for path in folder.glob("**/outbox.db*"))


async def all_sinks(
    seen: Seen,
    log: io.StringIO,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Sinks:
    """Do everything and give what is left of it in every place."""
    statuses = Statuses()
    assert seen.service.durable is not None
    seen.service.durable.pauses.pause("other", CANARIES["note"])
    await calls_of_every_kind(seen, statuses)
    await exceptions(seen, statuses, monkeypatch)
    admin = await admin_views(seen)
    await seen.service.server.drain()
    assert len(statuses.told) >= 6
    rows = stored(folder)
    metrics = seen.reader.get_metrics_data()
    assert metrics is not None
    return {
        "log": log.getvalue(),
        "spans": "".join(span.to_json() for span in seen.finished),
        "metrics": metrics.to_json(),
        "statuses": "".join(statuses.told),
        "admin views": admin,
        "rows": rows,
    }


def leaks(sinks: Sinks) -> dict[str, list[str]]:
    """Name the canaries that stand where they may not."""
    allowed = {"admin views": OPERATORS_SEE, "rows": TIKTOK_GETS}
    found = {
        name: found_in(text, but=allowed.get(name, frozenset()))
        for name, text in sinks.items()
    }
    return {name: canaries for name, canaries in found.items() if canaries}


def test_there_are_sixty_canaries_and_all_are_sent() -> None:
    assert len(CANARIES) == len(set(CANARIES.values())) == 60
    beside = {"access_token", "label", "note", "test_code", "error_text"}
    assert set(found_in(json.dumps(batch(1)))) == CANARIES.keys() - beside


async def test_no_canary_is_found(
    seen: Seen, log: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sinks = await all_sinks(seen, log, tmp_path, monkeypatch)
    assert all(sinks.values())
    assert leaks(sinks) == {}
    # What the search would have found, had it been looked for in what TikTok got.
    assert len(found_in(sinks["rows"])) > 10


def plant_log(monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(_self: Notices, name: str, _total: int) -> None:
        text = f"{name} lost the event of {CANARIES['email']}"
        logging.getLogger("tokferry_server.planted").warning(text)

    monkeypatch.setattr(Notices, "dead", dead)


def plant_span(monkeypatch: pytest.MonkeyPatch) -> None:
    def current() -> None:
        trace.get_current_span().set_attribute("tokferry.user", CANARIES["mobile"])

    monkeypatch.setattr(dispatch, "of_current_call", current)


def plant_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    import tokferry_server.telemetry.instruments as module

    monkeypatch.setattr(module, "_name", lambda _verdict: CANARIES["url"])


def plant_status(monkeypatch: pytest.MonkeyPatch) -> None:
    text = CANARIES["customer"]
    monkeypatch.setattr(secrets, "token_hex", lambda _size: text)


def plant_admin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_mask, "_is_personal", lambda _name, *, within: within)
    monkeypatch.setattr(admin_mask, "_TELLING", re.compile("(?!)"))


def plant_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    from tokferry_server.delivery.outbox.sqlite import puts, rows

    insert = rows.insert_fresh

    def labelled(db: Any, names: Any, shared: Any, *more: Any) -> None:
        insert(db, names, shared._replace(label=CANARIES["email"]), *more)

    monkeypatch.setattr(puts, "insert_fresh", labelled)


PLANTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "log": plant_log,
    "spans": plant_span,
    "metrics": plant_metric,
    "statuses": plant_status,
    "admin views": plant_admin,
    "rows": plant_rows,
}


async def test_planted_canaries_are_found_in_every_place(
    seen: Seen,
    log: io.StringIO,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    guard: tuple[Guard, Path],
) -> None:
    for plant in PLANTS.values():
        plant(monkeypatch)
    sinks = await all_sinks(seen, log, tmp_path, monkeypatch)
    assert leaks(sinks).keys() == PLANTS.keys()
    places = {found.split()[0].strip(":") for found in guard[0].take()}
    assert places == {"log", "span", "metrics", "status", "admin"}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(token=CANARIES["access_token"]) as running:
        yield running


async def test_none_is_found_around_the_process(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(CANARIES["access_token"])
    with receiving() as receiver:
        file = settings_file(tmp_path, sandbox.url)
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        async with (
            served(file, environment, "--log-level", "debug") as service,
            AsyncClient(service.target) as client,
        ):
            await client.forward(batch(1), connection="shop")
            sandbox.script([Fault(code=40002, message=ECHO)])
            await client.forward(batch(2), connection="shop", mode="durable")
            await until(lambda: sandbox.counts.requests >= 2)
            process = Path(f"/proc/{service.process.pid}")
            command = (process / "cmdline").read_bytes()
            environ = (process / "environ").read_bytes()
        assert receiver.raw
        assert found_in(b"".join(receiver.raw)) == []
    assert found_in(service.log) == []
    assert (found_in(command), found_in(environ)) == ([], [])
    assert "ready" in service.log
