"""Two workers of one service: the commands ask both and answer as if there were one."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from admin.conftest import PIXEL, SETTINGS, TOKEN, Commands, Finished
from made_up import batch, purchase
from tokferry import AsyncClient
from tokferry.v1 import ListDeadLettersRequest
from tokferry.v1.admin_service_pb2_grpc import AdminServiceStub
from tokferry_server.assembly import Assembled, Durable, assembled
from tokferry_server.cli.admin_crew import Crew
from tokferry_server.rpc.admin_server import forget_sockets
from tokferry_server.sandbox.faults import Fault
from tokferry_server.sandbox.server import Sandbox
from tokferry_server.settings import Seat, load_settings
from workers.waiting import until


class Pair:
    """Two workers over one settings file, each with a client of its own."""

    def __init__(self, folder: Path, sandbox: Sandbox, commands: Commands) -> None:
        self.sandbox = sandbox
        self.state = folder / "state"
        self.settings = folder / "tokferry.toml"
        self.settings.write_text(SETTINGS.format(url=sandbox.url, pixel=PIXEL))
        (folder / "token").write_text(TOKEN)
        self._commands = commands
        self._stacks: list[AsyncExitStack] = []
        self.services: list[Assembled] = []
        self._clients: list[AsyncClient] = []

    async def start(self, workers: int = 2) -> None:
        self._clients, self.services = [], []
        for number in range(workers):
            stack = AsyncExitStack()
            service = await stack.enter_async_context(
                assembled(load_settings(self.settings), seat=Seat(number, workers))
            )
            await service.admin.start()
            port = await service.server.start("127.0.0.1:0")
            stack.push_async_callback(service.server.drain)
            client = AsyncClient(f"127.0.0.1:{port}")
            self._clients.append(await stack.enter_async_context(client))
            self._stacks.append(stack)
            self.services.append(service)

    async def stop(self) -> None:
        while self._stacks:
            await self.stop_one()

    async def stop_one(self) -> None:
        """Stop the worker that was started last."""
        await self._stacks.pop().aclose()

    async def send(self, worker: int, *numbers: int, label: str = "") -> None:
        """Hand events over to one worker."""
        response = await self._clients[worker].forward(
            batch(*map(purchase, numbers)),
            connection="shop",
            mode="durable",
            label=label,
        )
        assert response.totals.accepted == len(numbers)

    async def refuse(self, worker: int, *numbers: int, label: str = "") -> None:
        """Make dead letters of events in one worker, beside one that TikTok takes."""
        ids = frozenset(f"message-{number}" for number in numbers)
        self.sandbox.script([Fault(reply="refuse", event_ids=ids, times=None)])
        await self.send(worker, *numbers, numbers[0] + 900, label=label)
        outbox = self.durable(worker).outbox

        async def settled() -> bool:
            return not any(one.pending for one in (await outbox.stats()).values())

        await until(settled)
        self.sandbox._faults.clear()

    def durable(self, worker: int) -> Durable:
        """Give what makes a worker's events durable."""
        durable = self.services[worker].durable
        assert durable is not None
        return durable

    def state_of(self, worker: int) -> str:
        """Say how the one connection stands in a worker."""
        return self.durable(worker).worker.status().connections["shop"].state

    async def pages(self, size: int) -> AsyncIterator[str]:
        """List the ids of all dead letters, page by page."""
        request = ListDeadLettersRequest(page_size=size)
        async with AsyncExitStack() as stack:
            workers = {}
            for number, service in enumerate(self.services):
                channel = grpc.aio.insecure_channel(f"unix:{service.admin.path}")
                await stack.enter_async_context(channel)
                workers[number] = AdminServiceStub(channel)
            while True:
                page = await Crew(workers).ListDeadLetters(request)
                assert len(page.dead_letters) <= size
                for letter in page.dead_letters:
                    yield letter.id
                request.page_token = page.next_page_token
                if not request.page_token:
                    return

    async def run(self, *arguments: str) -> Finished:
        line = [*arguments, "--settings", str(self.settings)]
        return await asyncio.to_thread(self._commands.run, line, "")

    async def json(self, *arguments: str, code: int = 0) -> Any:
        done = await self.run(*arguments, "--json")
        assert (done.code, done.err) == (code, "")
        return json.loads(done.out)


@pytest.fixture
async def pair(tmp_path: Path, commands: Commands) -> AsyncIterator[Pair]:
    async with Sandbox(token=TOKEN) as sandbox:
        pair = Pair(tmp_path, sandbox, commands)
        await pair.start()
        yield pair
        await pair.stop()


async def test_what_became_of_events_is_added_up(pair: Pair) -> None:
    await pair.refuse(0, 1, 2, label="nightly")
    await pair.refuse(1, 3)

    stats = await pair.json("outbox", "stats")
    labelled = await pair.json("outbox", "stats", "--label", "nightly")
    (shop,) = (await pair.json("status", "--connection", "shop"))["connections"]
    letters = await pair.json("dlq", "stats")

    total = {name: stats["total"][name] for name in ("accepted", "delivered", "dead")}
    assert total == {"accepted": 5, "delivered": 2, "dead": 3}
    assert [one["dead"] for one in stats["connections"]] == [3]
    assert (stats["max_rows"], stats["max_bytes"]) == (5_000_000, 4 * 2**30)
    assert labelled["total"]["dead"] == 2
    assert (shop["state"], shop["dead"]) == ("ACTIVE", 3)
    assert "last_delivered_time" in shop
    assert (letters["total"], letters["max_rows"]) == (3, 1_000_000)
    assert [one["count"] for one in letters["groups"]] == [3]


async def test_dead_letters_of_both_are_listed_in_the_order_they_came(
    pair: Pair,
) -> None:
    for number, worker in enumerate((0, 1, 1, 0)):
        await pair.refuse(worker, number)

    every = await pair.json("dlq", "list")
    some = await pair.run("dlq", "list", "--limit", "3", "--json")
    pages = [one async for one in pair.pages(size=1)]

    assert [one["event_id"] for one in every] == [f"message-{n}" for n in range(4)]
    assert [one["id"] for one in every] == ["1", "1-1", "1-3", "3"]
    assert pages == ["1", "1-1", "1-3", "3"]
    assert json.loads(some.out) == every[:3]
    assert "there are more than 3" in some.err


async def test_an_id_finds_the_worker_that_has_it(pair: Pair) -> None:
    await pair.refuse(0, 1)
    await pair.refuse(1, 2, 3)

    shown = await pair.json("dlq", "show", "1-2")
    nobody = await pair.run("dlq", "show", "1-9")
    elsewhere = await pair.run("dlq", "show", "2-1")
    replayed = await pair.json("dlq", "replay", "--id", "1-2")
    purged = await pair.json("dlq", "purge", "--id", "1-1", "--yes", "1")
    left = await pair.json("dlq", "list")

    assert shown["event_id"] == "message-3"
    assert {(one.code, "no dead letter" in one.err) for one in (nobody, elsewhere)} == {
        (1, True)
    }
    assert (replayed["matched"], replayed["replayed"]) == (1, 1)
    assert (purged["matched"], purged["purged"]) == (1, 1)
    assert [one["event_id"] for one in left] == ["message-1"]


async def test_the_most_and_the_number_count_for_both_together(pair: Pair) -> None:
    await pair.refuse(0, 1, 2)
    await pair.refuse(1, 3, 4)

    counted = await pair.json("dlq", "replay", "--max", "3", "--dry-run")
    exported = await pair.run("dlq", "export", "--max", "3")
    wrong = await pair.run("dlq", "purge", "--yes", "2")
    replayed = await pair.json("dlq", "replay", "--max", "1")
    purged = await pair.json("dlq", "purge", "--yes", "3")

    assert (counted["matched"], counted["replayed"]) == (4, 3)
    assert len(exported.out.splitlines()) == 3
    assert (wrong.code, "4 dead letters are chosen, not 2" in wrong.err) == (1, True)
    assert (replayed["matched"], replayed["replayed"]) == (4, 1)
    assert purged["purged"] == 3


async def test_a_connection_that_only_one_knows_is_no_mistake(pair: Pair) -> None:
    await pair.refuse(1, 1)
    await pair.stop()
    text = pair.settings.read_text().replace("[connections.shop]", "[connections.new]")
    pair.settings.write_text(text)
    await pair.start()

    found = await pair.json("dlq", "list", "--connection", "shop")
    unknown = await pair.run("dlq", "list", "--connection", "shpo")

    assert [one["event_id"] for one in found] == ["message-1"]
    assert (unknown.code, "no such connection" in unknown.err) == (2, True)


async def test_a_pause_holds_in_both_at_once(pair: Pair) -> None:
    paused = await pair.json("pause", "shop", "--note", "repair")
    states = [pair.state_of(worker) for worker in range(2)]
    resumed = await pair.json("resume", "shop")

    assert (paused["state"], paused["note"]) == ("PAUSED_BY_OPERATOR", "repair")
    assert states == ["PAUSED", "PAUSED"]
    assert resumed["state"] == "ACTIVE"


async def test_the_state_is_that_of_the_worker_where_it_is_worst(pair: Pair) -> None:
    pair.sandbox.script([Fault(reply="code", code=40105)])
    await pair.send(1, 1)
    await until(lambda: pair.state_of(1) == "PAUSED")

    status = await pair.json("status", "--connection", "shop", code=1)

    (shop,) = status["connections"]
    assert (shop["state"], shop["pending"]) == ("PAUSED_BY_ANSWER", 1)
    assert shop["reason"] == "CONNECTION_AUTH"


async def test_a_worker_that_does_not_answer_is_named(pair: Pair) -> None:
    await pair.refuse(0, 1)
    await pair.refuse(1, 2)
    await pair.stop_one()  # worker 1, as if it had been killed: its socket is left
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(pair.state / "admin-1.sock"))

    stats = await pair.run("dlq", "stats", "--json")
    status = await pair.run("status")

    assert (stats.code, json.loads(stats.out)["total"]) == (0, 1)
    assert "worker 1 does not answer" in stats.err
    assert (status.code, "worker 1 does not answer" in status.err) == (1, True)


async def test_while_the_service_is_down_all_outboxes_are_opened(pair: Pair) -> None:
    await pair.refuse(0, 1)
    await pair.refuse(1, 2)
    await pair.stop()

    letters = await pair.json("dlq", "list")
    shown = await pair.json("dlq", "show", "1-1")
    stats = await pair.json("outbox", "stats")

    assert [one["event_id"] for one in letters] == ["message-1", "message-2"]
    assert shown["event_id"] == "message-2"
    assert (stats["total"]["dead"], stats["max_rows"]) == (2, 5_000_000)


async def test_a_single_worker_takes_over_what_the_second_left(pair: Pair) -> None:
    await pair.refuse(1, 2)
    await pair.stop()
    await pair.start(workers=1)

    await until(lambda: not (pair.state / "outbox-1.db").exists())
    letters = await pair.json("dlq", "list")

    assert [one["event_id"] for one in letters] == ["message-2"]
    assert not [path for path in pair.state.iterdir() if "outbox-1" in path.name]


async def test_sockets_of_former_workers_are_removed_unless_in_use(
    pair: Pair,
) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(pair.state / "admin-2.sock"))
    (pair.state / "admin-x.sock").touch()

    forget_sockets(pair.state, 1)

    names = {path.name for path in pair.state.glob("admin*")}
    assert names == {"admin.sock", "admin-1.sock", "admin-x.sock"}
