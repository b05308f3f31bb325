"""The processes of a run: started, watched, killed by their own ids."""

import asyncio
import os
import random
import re
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chaos.forked import Forked
from chaos.scaled_time import SCALE, START

HERE: Final = Path(__file__).parent
TOKEN: Final = "a-made-up-token"
PIXEL: Final = "C4MADEUPPIXEL0000001"
CONNECTION: Final = "shop"
_PEAK: Final = re.compile(r"VmHWM:\s+(\d+) kB")
_RESIDENT: Final = re.compile(r"VmRSS:\s+(\d+) kB")

_SETTINGS: Final = """\
[server]
state_dir = "state"

[tiktok]
base_url = "{url}"
allow_loopback = true

[outbox]
max_rows = {max_rows}
max_bytes = {max_bytes}

[connections.shop]
pixel_id = "{pixel}"
access_token = {{ env = "CHAOS_TOKEN" }}
rate = 2000

[connections.shop.timeouts]
connect = 3.0
write = 5.0
read = {read}
attempt = {attempt}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What the processes of one run are told.

    ``slow`` is longer than ``read_timeout``, both in seconds; ``scale``: how much
    faster the server's waits pass; ``pace``: requests a second of the sandbox, 0: any;
    ``claim``: the most events of a request; ``full``: the seconds for which a full
    outbox holds a stream back; ``workers``: how many processes serve;
    ``first``: the sandbox fails whatever comes for the first time;
    ``fork``: whether they are forked from a process that has imported all.
    """

    folder: Path
    share: float = 0.3
    seed: int = 1
    scale: float = 100.0
    read_timeout: float = 0.6
    slow: float = 0.8
    pace: float = 0.0
    validate: bool = False
    first: bool = False
    max_rows: int = 5_000_000
    max_bytes: int = 4 * 2**30
    plant: str = ""
    claim: int = 100
    notice: float = 0.2
    full: float = 300.0
    workers: int = 1
    fork: bool = True
    started: float = field(default_factory=time.time)

    def environment(self) -> dict[str, str]:
        """Give the variables of every process."""
        return {
            **os.environ,
            SCALE: str(self.scale),
            START: str(self.started),
            "CHAOS_TOKEN": TOKEN,
            "CHAOS_PLANT": self.plant,
            "CHAOS_CLAIM": str(self.claim),
            "CHAOS_FULL": str(self.full),
            "CHAOS_NOTICE": str(self.notice),
        }

    def write_settings(self, url: str) -> Path:
        """Write the settings file of the server."""
        file = self.folder / "tokferry.toml"
        text = _SETTINGS.format(
            url=url,
            pixel=PIXEL,
            read=self.read_timeout,
            attempt=self.read_timeout + 5,
            max_rows=self.max_rows,
            max_bytes=self.max_bytes,
        )
        file.write_text(text)
        return file

    @property
    def outbox(self) -> Path:
        """Where the server keeps its outbox."""
        return self.folder / "state" / "outbox.db"


class Process:
    """One process, and the most memory it was seen to use, in bytes."""

    def __init__(self, process: asyncio.subprocess.Process | Forked) -> None:
        self._process = process
        self.peak = 0

    @classmethod
    async def start(
        cls,
        script: str,
        *arguments: str,
        environment: Mapping[str, str],
        errors: Path,
    ) -> "Process":
        """Run a script of this folder; what it complains of goes to a file."""
        with errors.open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(HERE / script),
                *arguments,
                stdout=asyncio.subprocess.PIPE,
                stderr=file,
                env=dict(environment),
            )
        return cls(process)

    @classmethod
    async def fork(
        cls,
        script: str,
        *arguments: str,
        environment: Mapping[str, str],
        errors: Path,
    ) -> "Process":
        """Do the same, sooner: what it imports is there already."""
        return cls(
            await Forked.start(
                HERE / script, *arguments, environment=environment, errors=errors
            )
        )

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal; ``None`` while it runs."""
        return self._process.returncode

    async def line(self, seconds: float = 30.0) -> str:
        """Wait for the next line of output; empty when there is none."""
        if self._process.stdout is None:
            raise RuntimeError("its output is not read")
        line = await asyncio.wait_for(self._process.stdout.readline(), seconds)
        return line.decode().strip()

    def resident(self) -> int:
        """Give the memory in use now, in bytes, and note the peak."""
        try:
            text = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0
        peak, now = _PEAK.search(text), _RESIDENT.search(text)
        self.peak = max(self.peak, int(peak[1]) * 1024 if peak else 0)
        return int(now[1]) * 1024 if now else 0

    async def end(self, number: signal.Signals, seconds: float = 60.0) -> int:
        """Send a signal and wait for the end; gives the exit status."""
        self.resident()
        if self.status is None:
            self._process.send_signal(number)
        return await asyncio.wait_for(self._process.wait(), seconds)

    async def ended(self, seconds: float) -> int:
        """Wait for the end; gives the exit status."""
        return await asyncio.wait_for(self._process.wait(), seconds)


async def start_sandbox(setup: Setup) -> tuple[Process, str]:
    """Start the sandbox; gives its URL."""
    arguments = {
        "--folder": setup.folder,
        "--token": TOKEN,
        "--share": setup.share,
        "--slow": setup.slow,
        "--pace": setup.pace,
        "--seed": setup.seed,
    }
    process = await Process.start(
        "sandbox_chaos.py",
        *(str(word) for pair in arguments.items() for word in pair),
        *(["--validate"] if setup.validate else []),
        *(["--first"] if setup.first else []),
        environment=setup.environment(),
        errors=setup.folder / "sandbox.err",
    )
    return process, await process.line()


async def start_server(
    setup: Setup, port: int, environment: Mapping[str, str] | None = None
) -> Process:
    """Start the server; returns at once, ``line`` waits until it is ready."""
    start = Process.fork if setup.fork else Process.start
    return await start(
        "launcher.py",
        "serve",
        "--settings",
        str(setup.folder / "tokferry.toml"),
        "--listen",
        f"127.0.0.1:{port}",
        f"--workers={setup.workers}",
        environment={**setup.environment(), **(environment or {})},
        errors=setup.folder / "server.err",
    )


def free_port() -> int:
    """Find a port of loopback that is free, below those of outgoing connections."""
    while True:
        port = random.randint(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
