"""Several worker processes on one port: each may die, and nothing is lost."""

import asyncio
import json
import os
import re
import signal
import sys
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import grpc
import pytest

from made_up import batch, purchase
from tokferry import AsyncClient, TokferryError
from tokferry.v1 import GetOutboxStatsRequest
from tokferry.v1.admin_service_pb2_grpc import AdminServiceStub
from tokferry_server.delivery.failpoints import VARIABLE
from tokferry_server.rpc.admin_server import answers
from tokferry_server.sandbox.faults import Fault
from tokferry_server.sandbox.server import Sandbox
from workers.conftest import TOKEN, Service
from workers.waiting import until

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="processes are found in /proc"
)

EVENTS = 10


class Load:
    """Callers with a connection each, which send again what was not accepted."""

    def __init__(self, target: str, callers: int) -> None:
        self._target = target
        self._callers = callers
        self.accepted: set[int] = set()
        self.failures = 0
        self.over = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(self._callers):
                group.create_task(self._call(number))

    async def _call(self, number: int) -> None:
        first = number * 1_000_000
        async with AsyncClient(self._target) as client:
            while not self.over.is_set():
                numbers = range(first, first + EVENTS)
                try:
                    response = await client.forward(
                        batch(*map(purchase, numbers)),
                        connection="shop",
                        mode="durable",
                    )
                except TokferryError:
                    self.failures += 1
                    await asyncio.sleep(0.05)
                    continue
                totals = response.totals
                assert totals.accepted + totals.delivered == EVENTS
                self.accepted.update(numbers)
                first += EVENTS


def delivered(sandbox: Sandbox) -> set[int]:
    ids = [event.event_id or "" for event in sandbox.events]
    assert len(ids) == len(set(ids))
    return {int(one.removeprefix("message-")) for one in ids}


async def test_a_worker_that_is_killed_comes_back_and_all_drain_together(
    service: Service, sandbox: Sandbox
) -> None:
    service.token.unlink()  # events wait, so that the worker dies with some
    await service.start(2)
    load = Load(service.target, 16)
    loading = asyncio.create_task(load.run())
    await asyncio.sleep(0.7)
    before = service.workers()

    os.kill(before[1], signal.SIGKILL)
    accepted = len(load.accepted)
    await asyncio.sleep(0.4)
    assert len(load.accepted) > accepted  # by the other worker
    await until(partial(both_answer, service))
    after = service.workers()
    service.token.write_text(TOKEN)
    load.over.set()
    await loading
    await until(lambda: sandbox.counts.taken >= len(load.accepted))

    assert (before[0] == after[0], before[1] == after[1]) == (True, False)
    assert load.accepted <= delivered(sandbox)
    assert sandbox.counts.counted_twice == sandbox.counts.changed == 0
    await finish_what_is_under_way(service, sandbox)


async def finish_what_is_under_way(service: Service, sandbox: Sandbox) -> None:
    sandbox.script([Fault(reply="handle", delay=1.5, times=None)])
    async with AsyncExitStack() as stack:
        calls = []
        for number in range(16):
            client = await stack.enter_async_context(AsyncClient(service.target))
            call = client.forward(batch(purchase(-number - 1)), connection="shop")
            calls.append(asyncio.ensure_future(call))
        await asyncio.sleep(0.5)
        ending = asyncio.create_task(service.end(signal.SIGTERM))
        answers = await asyncio.gather(*calls)

    assert [one.totals.delivered for one in answers] == [1] * 16
    status, out, err = await ending
    assert (status, out) == (0, "")
    said = [json.loads(line) for line in err.splitlines()]
    (ended,) = [one for one in said if "ended unasked" in one["message"]]
    assert (ended["worker"], ended["status"], ended["seconds"]) == (1, "SIGKILL", 0.5)
    drained = [one["worker"] for one in said if one["message"] == "draining"]
    assert sorted(drained) == [0, 1]


@pytest.mark.gate
async def test_fewer_workers_take_over_what_the_others_left(
    service: Service, sandbox: Sandbox
) -> None:
    service.token.unlink()
    await service.start(3)
    load = Load(service.target, 24)
    loading = asyncio.create_task(load.run())
    await asyncio.sleep(0.3)
    load.over.set()
    await loading
    assert sum(await pending(service)) == len(load.accepted)
    assert all(await pending(service))
    await service.end(signal.SIGINT)
    assert sandbox.counts.taken == 0

    service.token.write_text(TOKEN)
    await service.start(2)
    await until(lambda: sandbox.counts.taken >= len(load.accepted))
    assert delivered(sandbox) == load.accepted
    await until(partial(nothing_waits, service))
    status, _, err = await service.end(signal.SIGINT)

    assert status == 0
    assert re.search(r"took over [0-9]+ waiting events and 0 dead letters", err)
    left = {path.name for path in service.state.iterdir()}
    assert not {name for name in left if "-2" in name} - {"journal-2.json"}
    assert {"outbox.db", "outbox-1.db"} <= left


@pytest.mark.gate
async def test_a_worker_whose_disk_fails_ends_the_service(service: Service) -> None:
    await service.start(2, {VARIABLE: "outbox.before_commit=eio@20"})
    load = Load(service.target, 4)
    loading = asyncio.create_task(load.run())
    status, out, err = await service.ended()
    load.over.set()
    await loading

    assert (status, out) == (3, "")
    assert "start the process again" in err


async def test_workers_do_not_outlive_a_supervisor_that_is_killed(
    service: Service, tmp_path: Path
) -> None:
    await service.start(2)
    workers = service.workers()
    assert service.process is not None
    assert "cygrpc" not in in_proc(service.process.pid, "maps").read_text()
    other = Service(tmp_path / "other", "https://example.com")
    await other.spawn(2, listen=service.target)
    status, _, err = await other.ended()
    assert (status, "is it in use?" in err) == (2, True)

    await service.end(signal.SIGKILL)

    await until(lambda: not any(in_proc(pid).exists() for pid in workers.values()))


def in_proc(pid: int, name: str = "") -> Path:
    return Path("/proc") / str(pid) / name


async def both_answer(service: Service) -> bool:
    return len(await pending(service)) == 2


async def nothing_waits(service: Service) -> bool:
    return not any(await pending(service))


async def pending(service: Service) -> list[int]:
    """Ask each worker by itself how many events wait."""
    found = []
    for path in sorted(service.state.glob("admin*.sock")):
        if not answers(path):
            continue
        async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
            stats = await AdminServiceStub(channel).GetOutboxStats(
                GetOutboxStatsRequest()
            )
            found.append(stats.total.pending)
    return found
