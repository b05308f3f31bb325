"""Keeps the worker processes of a service running, all of them on one port.

This process serves nothing itself: gRPC must not be started before workers are, and
each worker is a program of its own, started like this one and told its number.
"""

import asyncio
import logging
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Final

from tokferry_server.cli.serve import BROKEN, READY

_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 30.0
_STEADY_S: Final = 10.0
_log = logging.getLogger(__name__)


def reserve(address: str) -> socket.socket:
    """Take a port that other sockets may then share; it is never listened on.

    Raises:
        OSError: somebody else has it, or this system does not share ports.
    """
    host, _, port = address.rpartition(":")
    if not hasattr(socket, "SO_REUSEPORT"):
        raise OSError("this system cannot share a port among workers: use one")
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    family, kind, number, _, place = found[0]
    try:
        with socket.socket(family, kind, number) as probe:
            # Another service may share its port, too, and would get half the calls.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
        reserved = socket.socket(family, kind, number)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(place)
    except OSError:
        raise OSError(f"cannot listen on {address}: is it in use?") from None
    return reserved


def supervise(address: str, workers: int) -> int:
    """Serve until told to stop; gives the exit status.

    Raises:
        OSError: the port cannot be had.
    """
    with closing(reserve(address)) as reserved:
        host, port = address.rpartition(":")[0], reserved.getsockname()[1]
        return asyncio.run(Supervisor(f"{host}:{port}", workers).run())


@dataclass(slots=True)
class Supervisor:
    """Starts workers, starts them anew when they end unasked, stops them together."""

    address: str
    workers: int
    _running: dict[int, asyncio.subprocess.Process] = field(default_factory=dict)
    _unready: set[int] = field(init=False)
    _all_ready: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _stop_by: signal.Signals = signal.SIGTERM
    _status: int = 0

    def __post_init__(self) -> None:
        """Wait for every worker."""
        self._unready = set(range(self.workers))

    async def run(self) -> int:
        """Give the exit status once every worker has ended."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, number)
        async with asyncio.TaskGroup() as group:
            for worker in range(self.workers):
                group.create_task(self._keep(worker))
            group.create_task(self._announce())
        return self._status

    async def _announce(self) -> None:
        await self._all_ready.wait()
        if not self._stopping.is_set():
            print(f"{READY}{self.address}", flush=True)  # noqa: T201

    async def _keep(self, worker: int) -> None:
        wait = _FIRST_WAIT_S
        while not self._stopping.is_set():
            began = time.monotonic()
            status = await self._run(worker)
            if self._stopping.is_set():
                self._note(status)
            elif status == BROKEN or not self._all_ready.is_set():
                self._note(status or 1)
                self._stop(signal.SIGTERM)
            else:
                steady = time.monotonic() - began >= _STEADY_S
                wait = _FIRST_WAIT_S if steady else wait
                _log.warning(
                    "a worker ended unasked and is started anew",
                    extra={"worker": worker, "status": _named(status), "seconds": wait},
                )
                await self._rest(wait)
                wait = min(_LONGEST_WAIT_S, wait * 2)

    async def _run(self, worker: int) -> int:
        """Run a worker once; gives its exit status, negative for a signal."""
        process = await asyncio.create_subprocess_exec(
            *_command(worker, self.workers, self.address),
            # It ends when this one does, however that comes about: its input ends.
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # Ctrl-C on a terminal is for this process, which passes it on.
            process_group=0,
        )
        self._running[worker] = process
        if self._stopping.is_set():
            self._pass_on(process)
        output, ready = process.stdout, False
        while output is not None and (line := await output.readline()):
            if line.startswith(READY.encode()):
                ready = True
                self._ready(worker)
        status = await process.wait()
        del self._running[worker]
        # Stopped before it could follow a signal in order: it has nothing to finish.
        early = not ready and self._stopping.is_set() and status == -self._stop_by
        return 0 if early else status

    def _ready(self, worker: int) -> None:
        self._unready.discard(worker)
        if not self._unready:
            self._all_ready.set()

    def _note(self, status: int) -> None:
        """Keep the first exit status that is not 0; a signal counts as 1."""
        self._status = self._status or (status if status >= 0 else 1)

    def _stop(self, number: signal.Signals) -> None:
        if self._stopping.is_set():
            return
        self._stop_by = number
        self._stopping.set()
        self._all_ready.set()
        for process in self._running.values():
            self._pass_on(process)

    def _pass_on(self, process: asyncio.subprocess.Process) -> None:
        with suppress(ProcessLookupError):
            process.send_signal(self._stop_by)

    async def _rest(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return


def _command(worker: int, workers: int, address: str) -> Sequence[str]:
    """Give the command that runs a worker: the one of this process, and more."""
    return (
        sys.executable,
        *sys.orig_argv[1:],
        f"--workers={workers}",
        f"--worker={worker}",
        f"--listen={address}",
    )


def _named(status: int) -> int | str:
    return status if status >= 0 else signal.Signals(-status).name
