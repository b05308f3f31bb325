"""Streams events into a server whose disk fills up, or breaks."""

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from chaos.caller import Caller, Work
from chaos.checker import Findings, check
from chaos.history import CALLS, POSTS, Log, read_posts
from chaos.kill_driver import look_inside
from chaos.processes import Process, Setup, free_port, start_sandbox, start_server

_CHUNK: Final = 100
_EVENTS: Final = 10_000_000
_LOOK_S: Final = 0.05
_MOST_S: Final = 90.0
_QUIET_S: Final = 2.0


class DiskRun:
    """A server with its caller and its sandbox, as long as ``run`` is not left."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._port = free_port()
        self._log = Log(setup.folder / CALLS)
        self.work = Work(_EVENTS, _CHUNK, _EVENTS // _CHUNK)
        self.caller = Caller(f"127.0.0.1:{self._port}", self.work, self._log)
        self._sandbox: Process
        self.server: Process

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Start all; events are sent until the work is closed."""
        self._sandbox, url = await start_sandbox(self._setup)
        self._setup.write_settings(url)
        await self.start()
        calling = asyncio.create_task(self.caller.run())
        try:
            yield
            self.work.close()
            await asyncio.wait_for(calling, _MOST_S)
            await self._until_quiet()
        finally:
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
            self.freeze(frozen=False)
            if self.server.status is None:
                await self.server.end(signal.SIGINT)
            await self._sandbox.end(signal.SIGTERM)
            self._log.close()

    async def start(self) -> None:
        """Start the server, and wait until it is ready."""
        self.server = await start_server(self._setup, self._port)
        if not await self.server.line():
            raise RuntimeError(f"it ended with {await self.server.ended(10)}")

    def freeze(self, *, frozen: bool) -> None:
        """Let the sandbox answer nothing, or go on."""
        os.kill(self._sandbox.pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    @contextlib.asynccontextmanager
    async def outside_of_syncs(self) -> AsyncIterator[None]:
        """Hold the server, until left, where none of its threads is in the kernel."""
        os.kill(self.server.pid, signal.SIGSTOP)
        try:
            await until(self._is_stopped)
            yield
        finally:
            os.kill(self.server.pid, signal.SIGCONT)

    async def more(self, chunks: int = 1) -> None:
        """Wait until so many more chunks are acknowledged."""
        wanted = self.work.done + chunks
        await until(lambda: self.work.done >= wanted)

    async def refused(self, times: int = 1) -> None:
        """Wait until so many more streams have ended in an error."""
        wanted = len(self.caller.errors) + times
        await until(lambda: len(self.caller.errors) >= wanted)

    async def delivers(self) -> None:
        """Wait until the sandbox has taken something more."""
        posts = self._setup.folder / POSTS
        size = posts.stat().st_size
        await until(lambda: posts.stat().st_size > size)

    async def judged(self) -> Findings:
        """Judge the history, once all has ended."""
        await look_inside(self._setup)
        return check(self._setup.folder)

    def most_sent(self) -> int:
        """Give how often the event was taken that was taken most often."""
        taken = Counter(
            one.event_id
            for post in read_posts(self._setup.folder)
            if post.taken
            for one in post.events
        )
        return max(taken.values(), default=0)

    def _is_stopped(self) -> bool:
        """Whether each thread is; one that waits for a disk is only afterwards."""
        tasks = Path(f"/proc/{self.server.pid}/task").iterdir()
        stats = [(task / "stat").read_text().rpartition(") ")[2] for task in tasks]
        return all(stat.startswith("T") for stat in stats)

    async def _until_quiet(self) -> None:
        posts = self._setup.folder / POSTS
        size, since = -1, time.monotonic()
        while time.monotonic() - since < _QUIET_S:
            await asyncio.sleep(_LOOK_S)
            if posts.stat().st_size != size:
                size, since = posts.stat().st_size, time.monotonic()


def retry_delay(error: object) -> float:
    """Give the seconds that an error asks to wait for; 0 if it does not."""
    status = rpc_status.from_call(error)
    delay = Duration()
    for detail in status.details if status else ():
        info = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            delay.CopyFrom(info.retry_delay)
    return delay.ToTimedelta().total_seconds()


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: it did not for so long.
    """
    async with asyncio.timeout(_MOST_S):
        while not holds():  # noqa: ASYNC110  most of it is in other processes
            await asyncio.sleep(_LOOK_S)
