"""How long commands take from nothing to their answer."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

import tokferry_server
from bench.processes import server, sink

HELP: Final = "tokferry --help"
TRANSFORM: Final = "tokferry transform, one file"
READY: Final = "server SERVING"
_COMMAND: Final = str(Path(sys.executable).with_name("tokferry"))
_SAMPLE: Final = Path(tokferry_server.__file__).parent / "samples" / "purchase.json"


async def run(times: int) -> dict[str, float]:
    """Start each one so often, in turns; gives the median seconds."""
    starts: dict[str, Callable[[], Awaitable[float]]] = {
        HELP: lambda: _command("--help"),
        TRANSFORM: lambda: _command("transform", str(_SAMPLE)),
        READY: _ready,
    }
    taken: dict[str, list[float]] = {name: [] for name in starts}
    for _ in range(times):
        for name, start in starts.items():
            taken[name].append(await start())
    return {name: median(seconds) for name, seconds in taken.items()}


async def _command(*arguments: str) -> float:
    start = time.perf_counter()
    quiet = subprocess.DEVNULL
    await asyncio.to_thread(
        subprocess.run, [_COMMAND, *arguments], stdout=quiet, check=True
    )
    return time.perf_counter() - start


async def _ready() -> float:
    async with sink() as target:
        start = time.perf_counter()
        async with server(target, outbox=True) as served:
            async with grpc.aio.insecure_channel(served.address) as channel:
                health = health_pb2_grpc.HealthStub(channel)
                answer = await health.Check(health_pb2.HealthCheckRequest())
            took = time.perf_counter() - start
            if answer.status != health_pb2.HealthCheckResponse.SERVING:
                raise RuntimeError("the server does not serve")
            return took
