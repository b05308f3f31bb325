"""Bulk delivery through a server of its own process, which is killed on the way."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from command import COMMAND
from made_up import batch, purchase
from tokferry import AsyncClient, ChunkAnswer, Client
from tokferry.v1 import Outcome
from tokferry_server.sandbox.faults import Fault
from tokferry_server.sandbox.server import Sandbox

pytestmark = pytest.mark.timeout(120)
TOKEN = "a-made-up-token"


class Service:
    """`tokferry serve` on one port, started and ended again and again."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self._settings = folder / "settings.toml"
        self._outbox = folder / "outbox.db"
        self._settings.write_text(
            f'[tiktok]\nbase_url = "{sandbox.url}"\nallow_loopback = true\n'
            '[connections.shop]\npixel_id = "C4MADEUPPIXEL0000001"\n'
            'access_token = { env = "SHOP_TOKEN" }\n'
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.target = f"127.0.0.1:{free.getsockname()[1]}"
        self._process: asyncio.subprocess.Process | None = None

    def store(self) -> None:
        """Give it an outbox from the next start on."""
        with self._settings.open("a") as file:
            file.write(f'[outbox]\npath = "{self._outbox}"\n')

    async def start(self) -> None:
        arguments = ("--settings", str(self._settings), "--listen", self.target)
        self._process = await asyncio.create_subprocess_exec(
            *COMMAND,
            "serve",
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "SHOP_TOKEN": TOKEN},
        )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 30)
        assert re.match(rb"listening on ", line)

    async def end(self, number: signal.Signals) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        await asyncio.wait_for(self._process.wait(), 40)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(token=TOKEN) as running:
        yield running


@pytest.fixture
async def service(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Service]:
    running = Service(tmp_path, sandbox)
    await running.start()
    yield running
    await running.end(signal.SIGKILL)


def batches(number: int, events: int = 10) -> Iterator[dict[str, Any]]:
    for first in range(0, number * events, events):
        yield batch(*(purchase(first + n) for n in range(events)))


def check(answers: list[ChunkAnswer], number: int, sandbox: Sandbox) -> None:
    """Every batch answered once, every event counted once."""
    seen = sorted(
        n for one in answers for n in range(one.first, one.first + one.batches)
    )
    assert seen == list(range(number))
    results = [result for one in answers for result in one.results]
    assert len(results) == number * 10
    assert {result.outcome for result in results} == {Outcome.OUTCOME_DELIVERED}
    assert len({one.event_id for one in sandbox.events}) == number * 10
    assert sandbox.counts.taken == number * 10
    assert sandbox.counts.changed == 0


Stream = Callable[..., AsyncIterator[ChunkAnswer]]


@pytest.fixture(params=[Client, AsyncClient], ids=["blocking", "asyncio"])
def stream(request: pytest.FixtureRequest, service: Service) -> Stream:
    """Give a function that streams by either client."""

    async def of_asyncio(source: Any, **options: Any) -> AsyncIterator[ChunkAnswer]:
        async with AsyncClient(service.target) as client:
            answers = client.forward_stream(source, connection="shop", **options)
            async with answers:
                async for one in answers:
                    yield one

    async def blocking(source: Any, **options: Any) -> AsyncIterator[ChunkAnswer]:
        client = Client(service.target)
        answers = client.forward_stream(source, connection="shop", **options)
        while (one := await asyncio.to_thread(next, answers, None)) is not None:
            yield one
        await asyncio.to_thread(client.close)

    return blocking if request.param is Client else of_asyncio


async def test_ten_thousand_events_are_counted_once_each(
    stream: Stream, sandbox: Sandbox
) -> None:
    answers = [one async for one in stream(batches(1000))]

    check(answers, 1000, sandbox)
    assert sandbox.counts.duplicates == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
async def test_a_server_that_restarts_loses_and_doubles_nothing(
    stream: Stream, service: Service, sandbox: Sandbox, number: signal.Signals
) -> None:
    answers = []

    async for one in stream(batches(600)):
        answers.append(one)
        if len(answers) in (10, 30):
            await service.end(number)
            await service.start()

    check(answers, 600, sandbox)


async def test_a_server_that_ends_with_work_under_way_leaves_no_gap(
    stream: Stream, service: Service, sandbox: Sandbox
) -> None:
    # Killed while TikTok has taken events that it has not answered for.
    sandbox.script([Fault(reply="handle", delay=0.4, times=None, every=3)])
    answers = []

    async def restart() -> None:
        for _ in range(2):
            await asyncio.sleep(0.6)
            await service.end(signal.SIGKILL)
            await service.start()

    restarting = asyncio.create_task(restart())
    async for one in stream(batches(200), window_chunks=4):
        answers.append(one)  # noqa: PERF401
    await restarting

    check(answers, 200, sandbox)


async def test_durable_events_survive_restarts_and_are_counted_once(
    stream: Stream, service: Service, sandbox: Sandbox
) -> None:
    await service.end(signal.SIGINT)
    service.store()
    await service.start()
    answers = []

    async for one in stream(batches(600), label="import-7"):
        answers.append(one)
        if len(answers) in (10, 30):
            await service.end(signal.SIGKILL)
            await service.start()

    seen = sorted(
        n for one in answers for n in range(one.first, one.first + one.batches)
    )
    assert seen == list(range(600))
    outcomes = {result.outcome for one in answers for result in one.results}
    # What was stored before a kill, and sent again, may have been delivered meanwhile.
    assert Outcome.OUTCOME_ACCEPTED in outcomes
    assert outcomes <= {Outcome.OUTCOME_ACCEPTED, Outcome.OUTCOME_DELIVERED}
    async with asyncio.timeout(60):
        while sandbox.counts.taken < 6_000:  # noqa: ASYNC110  it tells nobody
            await asyncio.sleep(0.1)
    assert (
        len({one.event_id for one in sandbox.events}) == sandbox.counts.taken == 6_000
    )
    assert sandbox.counts.changed == 0


async def test_refused_events_and_broken_lines_are_named_by_their_index(
    stream: Stream, sandbox: Sandbox
) -> None:
    sandbox.script(
        [Fault(reply="refuse", event_ids=frozenset({"message-15"}), times=None)]
    )
    source = [*batches(2), b"{broken}", b"cut {", *batches(1), '{"events": 7}']

    bad = [
        (one.source_index(result), result.event, result.outcome)
        async for one in stream(source)
        for result in one.results
        if result.outcome != Outcome.OUTCOME_DELIVERED
    ]

    assert sorted(bad) == [
        (1, 5, Outcome.OUTCOME_REJECTED),
        (2, 0, Outcome.OUTCOME_DROPPED),
        (3, 0, Outcome.OUTCOME_DROPPED),
        (5, 0, Outcome.OUTCOME_DROPPED),
    ]
