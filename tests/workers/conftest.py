"""A service of several real worker processes, and a sandbox."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from command import COMMAND
from tokferry_server.sandbox.server import Sandbox

TOKEN = "a-made-up-token"
SETTINGS = """
[tiktok]
base_url = "{url}"
allow_loopback = true
[outbox]
[connections.shop]
pixel_id = "C4MADEUPPIXEL0000001"
access_token = {{ file = "token" }}
"""
_WORKER = re.compile(rb"--worker=(\d+)\0")


class Service:
    """The processes of `tokferry serve` over one settings file."""

    def __init__(self, folder: Path, url: str) -> None:
        folder.mkdir(exist_ok=True)
        self.settings = folder / "tokferry.toml"
        self.state = folder / "state"
        self.token = folder / "token"
        self.settings.write_text(SETTINGS.format(url=url))
        self.token.write_text(TOKEN)
        self.target = ""
        self.process: asyncio.subprocess.Process | None = None

    async def start(
        self, workers: int, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start it, and wait until all workers are ready."""
        process = await self.spawn(workers, environment)
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
        assert line.startswith("listening on "), await self.ended()
        self.target = line.removeprefix("listening on ").strip()

    async def spawn(
        self,
        workers: int,
        environment: Mapping[str, str] | None = None,
        listen: str = "127.0.0.1:0",
    ) -> asyncio.subprocess.Process:
        """Start it, and wait for nothing."""
        self.process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *("serve", "--settings", str(self.settings), "--listen", listen),
            *("--workers", str(workers)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **(environment or {})},
        )
        return self.process

    def workers(self) -> dict[int, int]:
        """Give the processes of the workers by their numbers."""
        assert self.process is not None
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        found = {}
        for pid in " ".join(path.read_text() for path in tasks).split():
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if number := _WORKER.search(command):
                found[int(number[1])] = int(pid)
        return found

    async def end(self, number: signal.Signals) -> tuple[int, str, str]:
        """Send a signal to the supervisor, and wait for the end."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.ended()

    async def ended(self) -> tuple[int, str, str]:
        """Wait for the end; gives status, output and errors."""
        assert self.process is not None
        out, err = await asyncio.wait_for(self.process.communicate(), 60)
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), err.decode()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(token=TOKEN) as running:
        yield running


@pytest.fixture
async def service(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Service]:
    service = Service(tmp_path, sandbox.url)
    yield service
    if service.process is not None and service.process.returncode is None:
        await service.end(signal.SIGKILL)  # its workers follow: their input ends
