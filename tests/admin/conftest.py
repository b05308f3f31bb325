"""A real service with an outbox and its admin socket, and a real sandbox."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from made_up import batch, purchase
from tokferry import AsyncClient
from tokferry.v1 import DeadLetter, ListDeadLettersRequest
from tokferry.v1.admin_service_pb2_grpc import AdminServiceStub
from tokferry_server.assembly import Assembled, Durable, assembled
from tokferry_server.sandbox.faults import Fault
from tokferry_server.sandbox.server import Sandbox
from tokferry_server.settings import load_settings

if TYPE_CHECKING:
    from tokferry.v1.admin_service_pb2_grpc import AdminServiceAsyncStub

TOKEN = "a-made-up-token"
PIXEL = "C4MADEUPPIXEL0000001"
SETTINGS = """
[tiktok]
base_url = "{url}"
allow_loopback = true
[outbox]
[connections.shop]
pixel_id = "{pixel}"
access_token = {{ file = "token" }}
[connections.bare]
pixel_id = "{pixel}"
"""


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str


class Shop:
    """One service over one settings file; it can be stopped and started again."""

    def __init__(self, folder: Path, sandbox: Sandbox, commands: Commands) -> None:
        self._commands = commands
        self.sandbox = sandbox
        self.state = folder / "state"
        self.settings = folder / "tokferry.toml"
        self.settings.write_text(SETTINGS.format(url=sandbox.url, pixel=PIXEL))
        (folder / "token").write_text(TOKEN)
        self._stack = AsyncExitStack()
        self._service: Assembled | None = None

    async def start(self) -> None:
        service = await self._stack.enter_async_context(
            assembled(load_settings(self.settings))
        )
        await service.admin.start()
        port = await service.server.start("127.0.0.1:0")
        self._stack.push_async_callback(service.server.drain)
        self.client = await self._stack.enter_async_context(
            AsyncClient(f"127.0.0.1:{port}")
        )
        channel = await self._stack.enter_async_context(
            grpc.aio.insecure_channel(f"unix:{service.admin.path}")
        )
        self.admin: AdminServiceAsyncStub = AdminServiceStub(channel)
        self.port = port
        self._service = service

    async def stop(self) -> None:
        await self._stack.aclose()

    @property
    def durable(self) -> Durable:
        assert self._service is not None
        assert self._service.durable is not None
        return self._service.durable

    async def send(self, *numbers: int, label: str = "") -> None:
        """Hand events over; each is accepted."""
        response = await self.client.forward(
            batch(*map(purchase, numbers)),
            connection="shop",
            mode="durable",
            label=label,
        )
        assert response.totals.accepted == len(numbers)

    async def refuse(self, *numbers: int, label: str = "") -> list[DeadLetter]:
        """Make dead letters of events, beside two that TikTok takes."""
        before = await self.letters()
        ids = frozenset(f"message-{number}" for number in numbers)
        self.sandbox.script([Fault(reply="refuse", event_ids=ids, times=None)])
        await self.send(numbers[0] + 900, *numbers, numbers[0] + 901, label=label)
        letters = await self.eventually(len(before) + len(numbers))
        self.heal()
        return [one for one in letters if one not in before]

    def heal(self) -> None:
        """Let TikTok take everything again."""
        self.sandbox._faults.clear()

    async def letters(self) -> list[DeadLetter]:
        response = await self.admin.ListDeadLetters(ListDeadLettersRequest())
        return list(response.dead_letters)

    async def eventually(self, count: int) -> list[DeadLetter]:
        """Wait until there are so many dead letters and nothing waits."""
        for _ in range(200):
            letters = await self.letters()
            stats = await self.durable.outbox.stats()
            if len(letters) == count and not any(s.pending for s in stats.values()):
                return letters
            await asyncio.sleep(0.05)
        raise AssertionError(len(letters), stats)

    async def taken(self, count: int) -> None:
        """Wait until the sandbox has taken so many events."""
        for _ in range(200):
            if self.sandbox.counts.taken >= count:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(self.sandbox.counts)

    async def run(self, *arguments: str, given: str = "") -> Finished:
        """Run a command of `tokferry` with the settings file."""
        line = [*arguments, "--settings", str(self.settings)]
        return await asyncio.to_thread(self._commands.run, line, given)


class Commands:
    """Runs commands in a process of their own, which loads the program once."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).parent / "run_commands.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, arguments: list[str], given: str) -> Finished:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"arguments": arguments, "given": given}) + "\n")
        stdin.flush()
        return Finished(**json.loads(stdout.readline()))

    def stop(self) -> None:
        self._process.communicate(timeout=30)


@pytest.fixture(scope="session")
def commands() -> Iterator[Commands]:
    commands = Commands()
    yield commands
    commands.stop()


@pytest.fixture
async def shop(tmp_path: Path, commands: Commands) -> AsyncIterator[Shop]:
    async with Sandbox(token=TOKEN) as sandbox:
        shop = Shop(tmp_path, sandbox, commands)
        await shop.start()
        yield shop
        await shop.stop()


async def refused(call: Any) -> tuple[str, str]:
    """Give the status and the text of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code().name, caught.value.details() or ""
