"""Callers that send more than TikTok takes, or do not read what they are answered."""

import asyncio
import contextlib
import signal
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import grpc

from chaos.caller import CLIENT_SIDE, Caller, Work
from chaos.checker import Findings, check
from chaos.events import chunk_json
from chaos.history import CALLS, Log
from chaos.kill_driver import look_inside
from chaos.processes import (
    CONNECTION,
    Process,
    Setup,
    free_port,
    start_sandbox,
    start_server,
)
from tokferry.v1 import Chunk, ForwardStreamRequest, StreamOptions
from tokferry.v1.forwarding_service_pb2_grpc import ForwardingServiceStub

_CHANNELS: Final = 4
_EVENTS: Final = 1000
_PAD: Final = 640
_LOOK_S: Final = 0.1
_MOST_S: Final = 120.0
_WARM_EVENTS: Final = 60_000
_STACK: Final = 10_000_000


@dataclass(slots=True)
class Flooded:
    """What a flood came to; memory in bytes, ``unanswered`` at its end."""

    before: int
    peak: int = 0
    unanswered: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    findings: Findings = field(default_factory=Findings)


@contextlib.asynccontextmanager
async def served(setup: Setup) -> AsyncIterator[tuple[Process, str]]:
    """Give a server with its sandbox, and the server's address."""
    sandbox, url = await start_sandbox(setup)
    setup.write_settings(url)
    port = free_port()
    server = await start_server(setup, port)
    try:
        await server.line()
        yield server, f"127.0.0.1:{port}"
    finally:
        if server.status is None:
            await server.end(signal.SIGKILL)
        await sandbox.end(signal.SIGTERM)


async def flood(setup: Setup, *, streams: int, seconds: float) -> Flooded:
    """Send about 1 MiB a message on so many streams, and see what is kept.

    It lasts for ``seconds``, and longer until a stream is refused.
    """
    log = Log(setup.folder / CALLS)
    work = Work(_STACK, _EVENTS, _STACK // _EVENTS, pad=_PAD)
    async with served(setup) as (server, target):
        flooded = Flooded(before=server.resident())
        callers = [Caller(target, work, log) for _ in range(_CHANNELS)]
        calling = [
            asyncio.create_task(one.run(streams=streams // _CHANNELS))
            for one in callers
        ]
        began = time.monotonic()
        while server.status is None and time.monotonic() - began < _MOST_S:
            server.resident()
            await asyncio.sleep(_LOOK_S)
            refused = any(
                text != CLIENT_SIDE for one in callers for _, text in one.statuses
            )
            if refused and time.monotonic() - began > seconds:
                break
        statuses = [status for one in callers for status in one.statuses]
        flooded.statuses.update(code for code, text in statuses if text != CLIENT_SIDE)
        flooded.unanswered = work.begun - len(work.todo) - work.done
        flooded.peak = server.peak
        for task in calling:
            task.cancel()
        await asyncio.gather(*calling, return_exceptions=True)
    log.close()
    await look_inside(setup)
    flooded.findings = check(setup.folder)
    return flooded


async def unread(setup: Setup, *, streams: int, seconds: float) -> Flooded:
    """Send on so many streams, reading no answer but that the stream is open."""
    async with served(setup) as (server, target), contextlib.AsyncExitStack() as stack:
        await _warm_up(target, streams)
        flooded = Flooded(before=server.resident())
        sending = [
            asyncio.create_task(_stream(channel))
            for channel in [await _channel(stack, target) for _ in range(_CHANNELS)]
            for _ in range(streams // _CHANNELS)
        ]
        until = time.monotonic() + seconds
        while time.monotonic() < until and server.status is None:
            flooded.peak = max(flooded.peak, server.resident())
            await asyncio.sleep(_LOOK_S)
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
    return flooded


async def _warm_up(target: str, streams: int) -> None:
    """Let as many streams work whose callers do read: that is not to be counted."""
    with tempfile.TemporaryDirectory() as folder:
        log = Log(Path(folder) / CALLS)
        work = Work(_WARM_EVENTS, 100, _WARM_EVENTS // 100)
        callers = [Caller(target, work, log) for _ in range(_CHANNELS)]
        await asyncio.gather(
            *(caller.run(streams=streams // _CHANNELS) for caller in callers)
        )
        log.close()


async def _channel(stack: contextlib.AsyncExitStack, target: str) -> grpc.aio.Channel:
    options = [("grpc.use_local_subchannel_pool", 1)]
    channel = grpc.aio.insecure_channel(target, options=options)
    return await stack.enter_async_context(channel)


async def _stream(channel: grpc.aio.Channel) -> None:
    call = ForwardingServiceStub(channel).ForwardStream()
    await call.write(ForwardStreamRequest(options=StreamOptions(connection=CONNECTION)))
    await call.read()
    for sequence in range(_WARM_EVENTS, _STACK):
        data = chunk_json(sequence * 100, 100)
        await call.write(
            ForwardStreamRequest(chunk=Chunk(sequence=sequence, json=data))
        )
