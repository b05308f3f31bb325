"""A server in a process of its own, with one caller who may call."""

import asyncio
import contextlib
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hostile.polite import TOKEN, established, honest
from tokferry import AsyncClient

COUNTED = Path(__file__).with_name("counted.py")
POLITE = Path(__file__).with_name("polite.py")
AUTHORIZED = ("authorization", f"Bearer {TOKEN}")
FORWARDING = "/tokferry.v1.ForwardingService/"
_RESIDENT = re.compile(r"VmRSS:\s+(\d+) kB")
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
_SETTINGS = """
[server]
listen = "127.0.0.1:0"

[[server.principals]]
name = "polite"
tokens = [{ file = "token" }]
connections = ["*"]
rights = ["transform", "forward"]

[connections.shop]
pixel_id = "C4MADEUPPIXEL0000001"
"""


@dataclass
class Service:
    """The server under attack."""

    port: int
    process: asyncio.subprocess.Process
    waits: list[float] = field(default_factory=list)

    @property
    def resident(self) -> int:
        """Give the memory it takes, in bytes."""
        return self._memory(_RESIDENT)

    def forget_peak(self) -> None:
        """Let the peak begin with what it takes now, where the kernel can do that."""
        with contextlib.suppress(OSError):
            Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    @property
    def peak(self) -> int:
        """Give the most memory that it took since then, in bytes."""
        return self._memory(_PEAK)

    def _memory(self, line: re.Pattern[str]) -> int:
        found = line.search(Path(f"/proc/{self.process.pid}/status").read_text())
        assert found is not None
        return int(found[1]) * 1024

    @property
    def sockets(self) -> int:
        """Give how many files it has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    async def tasks(self) -> int:
        """Ask it how many tasks there are."""
        assert self.process.stdout is not None
        self.process.send_signal(signal.SIGUSR1)
        return int(await asyncio.wait_for(self.process.stdout.readline(), 30))

    def client(self) -> AsyncClient:
        """Give a client with a token and a connection of its own."""
        return established(self.port)

    @asynccontextmanager
    async def polite_caller(self) -> AsyncIterator[None]:
        """Let an established caller call meanwhile; none of its calls may fail."""
        caller = await asyncio.create_subprocess_exec(
            *(sys.executable, str(POLITE), str(self.port)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**24,
        )
        assert caller.stdin is not None
        assert caller.stdout is not None
        assert await caller.stdout.readline() == b"established\n"
        try:
            yield
        finally:
            caller.stdin.close()
            said = await caller.stdout.readline()
            assert await caller.wait() == 0
        self.waits += json.loads(said)

    async def alive(self) -> None:
        """See that it runs, and answers a new caller."""
        assert self.process.returncode is None
        async with self.client() as client:
            await honest(client)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """Give a running server; it must have said nothing but that it drains."""
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "settings.toml").write_text(_SETTINGS)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(COUNTED), "serve"),
        *("--settings", str(tmp_path / "settings.toml")),
        stdout=asyncio.subprocess.PIPE,
        stderr=(tmp_path / "log").open("wb"),
    )
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
    yield Service(int(line.rpartition(":")[2]), process)
    process.send_signal(signal.SIGINT)  # without the time that load balancers take
    await asyncio.wait_for(process.wait(), 60)
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    assert "call failed" not in log, log
    assert process.returncode == 0
