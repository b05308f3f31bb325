"""Callers that send more than TikTok takes, or do not read what they are answered."""

import asyncio
import contextlib
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
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
_SMALL: Final = 100
_STUCK_S: Final = 5.0
_STACK: Final = 10_000_000


@dataclass(slots=True)
class Flooded:
    """What a flood came to; memory in bytes.

    ``unanswered`` and ``after`` are those of its end, ``sent`` counts chunks.
    """

    before: int
    peak: int = 0
    after: int = 0
    sent: int = 0
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
        most = seconds + _MOST_S
        while server.status is None and time.monotonic() - began < most:
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


async def unread(setup: Setup, *, streams: int) -> Flooded:
    """Send on so many streams, reading no answer but that the stream is open.

    The events are the same on all, so that what the outbox holds of them is little. It
    lasts until nothing more can be sent on any stream.
    """
    async with served(setup) as (server, target), contextlib.AsyncExitStack() as stack:
        flooded = Flooded(before=server.resident())
        channels = [await _channel(stack, target) for _ in range(_CHANNELS)]
        sent, opened = [0] * streams, asyncio.Barrier(streams)
        sending = [
            asyncio.create_task(
                _send(channels[number % _CHANNELS], opened, sent, number)
            )
            for number in range(streams)
        ]
        began = since = time.monotonic()
        seen: list[int] = []
        while time.monotonic() - since < _STUCK_S or not all(sent):
            if time.monotonic() - began > _MOST_S:
                raise TimeoutError("there is always room for more")
            flooded.after = server.resident()
            flooded.peak = max(flooded.peak, flooded.after)
            await asyncio.sleep(_LOOK_S)
            if sent != seen:
                seen, since = list(sent), time.monotonic()
        flooded.sent = sum(sent)
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
    return flooded


async def _channel(stack: contextlib.AsyncExitStack, target: str) -> grpc.aio.Channel:
    """Give a connection on which an unread stream takes in no more than 64 KiB."""
    options = [
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", 64 * 1024),
    ]
    channel = grpc.aio.insecure_channel(target, options=options)
    return await stack.enter_async_context(channel)


async def _send(
    channel: grpc.aio.Channel, opened: asyncio.Barrier, sent: list[int], number: int
) -> None:
    call = ForwardingServiceStub(channel).ForwardStream()
    await call.write(ForwardStreamRequest(options=StreamOptions(connection=CONNECTION)))
    await call.read()
    await opened.wait()  # what one does not read holds up others on its connection
    for sequence in count(1):
        data = chunk_json(sequence * _SMALL, _SMALL)
        await call.write(
            ForwardStreamRequest(chunk=Chunk(sequence=sequence, json=data))
        )
        sent[number] = sequence
