"""The processes of a soak: `tokferry serve` with TLS and tokens, and its sandbox."""

import asyncio
import contextlib
import os
import re
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chaos.processes import CONNECTION, PIXEL, Process, free_port
from command import COMMAND

READ_S: Final = 2.0
"""For how long the server waits for TikTok; late answers come after it."""
_SLOW_S: Final = 2.5
_SCRAPE_S: Final = 30.0
_BUCKET: Final = re.compile(r'le="[^"]*"')
_LAG: Final = re.compile(r'tokferry_event_loop_lag_seconds_bucketle="(.*)"')
_SETTINGS: Final = """\
[server]
state_dir = "state"
metrics = "{metrics}"

[server.tls]
certificate = "server.pem"
key = "server.key"

[[server.principals]]
name = "soak"
tokens = [{{ file = "caller-0.token" }}, {{ file = "caller-1.token" }}]
connections = ["{connection}"]
rights = ["transform", "forward"]

[tiktok]
base_url = "{url}"
allow_loopback = true

[outbox]

[connections.{connection}]
pixel_id = "{pixel}"
access_token = {{ file = "tiktok.token" }}
rate = 2000

[connections.{connection}.timeouts]
connect = 3.0
write = 5.0
read = {read}
attempt = 7.0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What the sandbox does wrong: a share of requests, and throttles so often."""

    share: float
    throttle_seconds: float
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """What the server takes at a time, seen from outside; memory in bytes. ``at`` are
    seconds since the start of the run; ``lags`` counts, for each of some seconds, the
    looks since the start of the server that found its loop late by no more.
    """

    at: float
    memory: int
    files: int
    threads: int
    lags: Mapping[float, int]
    waiting: int
    driver: int


@dataclass(frozen=True, slots=True)
class Service:
    """A server that runs."""

    process: Process
    target: str
    metrics: str

    def cpu(self) -> float:
        """Give the CPU seconds that it has used."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2]
        user, system = words.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    async def sample(self, at: float) -> Sample:
        """Look at it."""
        pid = self.process.pid
        shown = await asyncio.to_thread(self._scrape)
        return Sample(
            at=at,
            memory=self.process.resident(),
            files=len(os.listdir(f"/proc/{pid}/fd")),  # noqa: PTH208  numbers only
            threads=len(os.listdir(f"/proc/{pid}/task")),  # noqa: PTH208
            lags={
                float(found[1]): int(number)
                for name, number in shown.items()
                if (found := _LAG.fullmatch(name))
            },
            waiting=int(shown.get("tokferry_outbox_depth", 0)),
            driver=_resident(),
        )

    def _scrape(self) -> dict[str, float]:
        """Give the sum of each metric over its labels but that of a bucket."""
        sums: dict[str, float] = {}
        url = f"http://{self.metrics}/metrics"
        with urllib.request.urlopen(url, timeout=_SCRAPE_S) as response:
            for line in response.read().decode().splitlines():
                if not line.startswith("#"):
                    name, _, value = line.rpartition(" ")
                    bucket = _BUCKET.search(name)
                    name = name.partition("{")[0] + (bucket[0] if bucket else "")
                    sums[name] = sums.get(name, 0.0) + float(value)
        return sums


@contextlib.asynccontextmanager
async def served(folder: Path, faults: Faults) -> AsyncIterator[Service]:
    """Serve with the files of the folder; the log goes to ``server.err``."""
    sandbox = await _script(
        folder,
        *("--folder", folder, "--tokens", folder / "known.tokens"),
        *("--share", faults.share, "--throttle", faults.throttle_seconds),
        *("--slow", _SLOW_S, "--seed", faults.seed),
    )
    try:
        url = await sandbox.line()
        async with _serving(folder, url) as service:
            yield service
    finally:
        await sandbox.end(signal.SIGTERM)


@contextlib.asynccontextmanager
async def _serving(folder: Path, url: str) -> AsyncIterator[Service]:
    metrics = f"127.0.0.1:{free_port()}"
    settings = folder / "tokferry.toml"
    settings.write_text(
        _SETTINGS.format(
            url=url, metrics=metrics, pixel=PIXEL, connection=CONNECTION, read=READ_S
        )
    )
    with (folder / "server.err").open("ab") as errors:
        inner = await asyncio.create_subprocess_exec(
            *COMMAND,
            *("serve", "--settings", str(settings), "--listen", "127.0.0.1:0"),
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    process = Process(inner)
    try:
        line = await process.line(60)
        if not line.startswith("listening on "):
            raise RuntimeError(f"the server does not start: see {folder}/server.err")
        port = line.rpartition(":")[2]
        yield Service(process, f"localhost:{port}", metrics)
    finally:
        if process.status is None:
            await process.end(signal.SIGKILL)


async def _script(folder: Path, *arguments: object) -> Process:
    with (folder / "sandbox.err").open("ab") as errors:
        inner = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("sandbox.py")),
            *map(str, arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    return Process(inner)


def _resident() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
