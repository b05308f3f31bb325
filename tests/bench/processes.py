"""The processes of a run: the real server and the sink, watched from outside."""

import asyncio
import contextlib
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import configured

HERE: Final = Path(__file__).parent
_VALUE: Final = re.compile(r"^(VmRSS|VmHWM):\s+(\d+) kB", re.MULTILINE)
_END_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Process:
    """One process that was started here, with what it serves."""

    inner: asyncio.subprocess.Process
    address: str

    def cpu(self) -> float:
        """Give the CPU seconds that it and its children have used."""
        return sum(cpu_of(pid) for pid in family(self.inner.pid))

    def memory(self) -> tuple[float, float]:
        """Give its memory in MiB now and at its peak, children included."""
        now = peak = 0.0
        for pid in family(self.inner.pid):
            status = Path(f"/proc/{pid}/status").read_text()
            values = {name: int(kib) / 1024 for name, kib in _VALUE.findall(status)}
            now, peak = now + values["VmRSS"], peak + values["VmHWM"]
        return now, peak

    async def end(self) -> None:
        """Ask it to end at once, and wait until it has."""
        if self.inner.returncode is None:
            self.inner.send_signal(2)
        await asyncio.wait_for(self.inner.wait(), _END_SECONDS)


def family(pid: int) -> list[int]:
    """Give the process and its children, and theirs."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found.extend(family(int(child)))
    return found


def cpu_of(pid: int) -> float:
    """Give the CPU seconds that a process has used."""
    # The CPU clock of another process, as clock_getcpuclockid(3) numbers it: in
    # nanoseconds, where /proc/PID/stat has hundredths of a second.
    return time.clock_gettime((~pid << 3) | 2)


@contextlib.asynccontextmanager
async def started(script: str, *arguments: str, **more: str) -> AsyncIterator[Process]:
    """Run a script of this folder until left; ``more`` goes to its environment."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(HERE.parent),
        configured.TOKEN_VARIABLE: configured.TOKEN,
        **more,
    }
    with tempfile.TemporaryFile() as errors:
        inner = await asyncio.create_subprocess_exec(
            *(sys.executable, str(HERE / script), *arguments),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
        try:
            yield Process(inner, await _address(inner))
        finally:
            await Process(inner, "").end()
            if inner.returncode:
                errors.seek(0)
                print(f"{script}: {errors.read().decode()}", file=sys.stderr)


async def _address(inner: asyncio.subprocess.Process) -> str:
    if inner.stdout is None:
        raise RuntimeError("its output is not read")
    async with asyncio.timeout(_END_SECONDS):
        while line := await inner.stdout.readline():
            if found := re.search(rb"127\.0\.0\.1:\d+", line):
                return found[0].decode()
    raise RuntimeError("a process of the benchmark ended before it was ready")


@contextlib.asynccontextmanager
async def sink() -> AsyncIterator[Process]:
    """Run the sandbox in its counting mode."""
    async with started("sink.py") as process:
        yield process


@contextlib.asynccontextmanager
async def server(
    sink: Process,
    *,
    options: Sequence[str] = (),
    outbox: bool = False,
    connections: int = 0,
    variant: str = "",
) -> AsyncIterator[Process]:
    """Run the real server in a folder of its own; ``variant`` is one of serve.py's."""
    with tempfile.TemporaryDirectory(prefix="tokferry-bench-") as folder:
        text = configured.settings_text(
            url=f"http://{sink.address}", outbox=outbox, connections=connections
        )
        file = configured.write_settings(Path(folder), text)
        arguments = ("serve", "--settings", str(file), "--listen", "127.0.0.1:0")
        async with started(
            "serve.py", *arguments, *options, BENCH_VARIANT=variant
        ) as process:
            yield process
