"""Bulk delivery end to end, in three processes: caller, server, sink."""

import asyncio
import json
import time
import urllib.request
from dataclasses import dataclass
from typing import Final

from bench.calls import Stream, channels, until
from bench.configured import connection
from bench.messages import DURABLE, SERVICE, SYNC, chunk_json, chunks, options
from bench.path import json_batches, to_request
from bench.processes import Process, server, sink
from bench.profiles import DAY, PURCHASE

CHUNK: Final = 100
_DRAIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """One way to deliver in bulk: which events, cut how, made safe or not."""

    profile: str
    batch: int
    durable: bool = True
    mapped: bool = True
    chunk: int = CHUNK
    workers: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What one run showed: events a second, CPU seconds an event, memory in MiB."""

    accepted: float
    delivered: float
    server_cpu: float
    sink_cpu: float
    idle: float
    peak: float


PIPELINES: Final = (
    Pipeline(profile=PURCHASE, batch=10, mapped=False),
    Pipeline(profile=PURCHASE, batch=10),
    Pipeline(profile=PURCHASE, batch=1),
    Pipeline(profile=DAY, batch=10),
    Pipeline(profile=PURCHASE, batch=10, durable=False),
    Pipeline(profile=PURCHASE, batch=10, mapped=False, workers=2),
    Pipeline(profile=PURCHASE, batch=10, workers=2),
)


async def run_all(rounds: int, seconds: float) -> dict[Pipeline, list[Delivered]]:
    """Run every pipeline in turns, each time with new processes."""
    delivered: dict[Pipeline, list[Delivered]] = {one: [] for one in PIPELINES}
    for _ in range(rounds):
        for pipeline in PIPELINES:
            delivered[pipeline].append(await run(pipeline, seconds))
    return delivered


async def run(pipeline: Pipeline, seconds: float) -> Delivered:
    """Stream chunks for so long, then wait until the sink has got every event."""
    variant = "" if pipeline.mapped else "stored"
    async with (
        sink() as target,
        server(
            target,
            options=("--workers", str(pipeline.workers)),
            outbox=pipeline.durable,
            variant=variant,
        ) as served,
        channels(served.address) as opened,
    ):
        idle, _ = served.memory()
        mode = DURABLE if pipeline.durable else SYNC
        data = chunk_json(pipeline.profile, chunk=pipeline.chunk, batch=pipeline.batch)
        # The kernel chooses a connection's worker: of one stream each there are enough.
        count = 1 if pipeline.workers == 1 else len(opened)
        streams = [Stream(window=32 // count) for _ in range(count)]
        messages = until(seconds, chunks(data))
        before = served.cpu(), target.cpu()
        start = time.perf_counter()
        called = await asyncio.gather(
            *(
                stream.run(
                    channel,
                    f"{SERVICE}ForwardStream",
                    options=options(mode),
                    messages=messages,
                )
                for stream, channel in zip(streams, opened, strict=False)
            )
        )
        sent = sum(len(stream.sent) for stream in streams)
        events = sent * pipeline.chunk
        expected = sent * _sent_of(data, mapped=pipeline.mapped)
        await _arrived(target, expected)
        took = time.perf_counter() - start
        return Delivered(
            accepted=events / max(one.seconds for one in called),
            delivered=events / took,
            server_cpu=(served.cpu() - before[0]) / events,
            sink_cpu=(target.cpu() - before[1]) / events,
            idle=idle,
            peak=served.memory()[1],
        )


def _sent_of(data: bytes, *, mapped: bool) -> int:
    """Count the TikTok events that a chunk becomes."""
    if not mapped:
        return data.count(b'"event_type"')
    return to_request(connection("web"), json_batches)(data).count(b'"event":')


async def _arrived(target: Process, expected: int) -> None:
    async with asyncio.timeout(_DRAIN_SECONDS):
        while True:  # another process: there is nothing to wait for but time
            taken = await asyncio.to_thread(_taken, target.address)
            if taken >= expected:
                break
            await asyncio.sleep(0.02)
    if taken > expected:
        raise RuntimeError(f"{taken} events came, and {expected} were sent")


def _taken(address: str) -> int:
    url = f"http://{address}/sandbox/requests"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return int(json.load(answer)["taken"])
