"""Calls over gRPC to the real server: throughput, latency, and CPU of the server."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final, NamedTuple

import grpc

from bench import messages
from bench.calls import Called, Stream, channels, unary, until
from bench.echo import STREAM, UNARY
from bench.processes import Process, server, sink
from bench.profiles import DAY, PROFILES, PURCHASE, loads

SIZES = (1, 10, 100)
CHUNKS = (10, 100, 1000)
CALLERS = 64
TRANSFORM, FORWARD, ECHO = "Transform", "Forward", "echo"
STREAMED, ECHOED = "ForwardStream", "echo stream"
_BATCH = 10
_WINDOW = 16

_PATHS: Final = {
    TRANSFORM: messages.SERVICE + TRANSFORM,
    FORWARD: messages.SERVICE + FORWARD,
    STREAMED: messages.SERVICE + STREAMED,
    ECHO: UNARY,
    ECHOED: STREAM,
}

Channels = Sequence[grpc.aio.Channel]


class CallKey(NamedTuple):
    """What sort of call it is; ``size`` counts the events of each call, or chunk."""

    profile: str
    name: str
    kind: str
    size: int
    callers: int = CALLERS


SHORTEST: Final = CallKey(DAY, TRANSFORM, "typed", 1)
ALONE: Final = CallKey(PURCHASE, FORWARD, "json", 1)
WORKERS: Final = {
    "1 worker": {"options": ("--workers", "1")},
    "2 workers": {"options": ("--workers", "2")},
}
TRANSPORTS: Final = {
    "httpx's own transport": {"variant": "httpx"},
    "the server's transport": {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """One sort of call; ``make`` makes them for so many seconds and awaits the last."""

    key: CallKey
    make: Callable[[Channels, float], Awaitable[Called]]


@dataclass(slots=True)
class Cost:
    """What one sort of call took, round by round."""

    cpu: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)

    def add(self, called: Called, cpu: float) -> None:
        """Add a round: CPU seconds of the server in all."""
        calls = len(called.latencies)
        self.cpu.append(cpu / calls)
        self.rate.append(calls / called.seconds)
        self.p50.append(called.percentile(0.5))
        self.p99.append(called.percentile(0.99))

    def extend(self, other: "Cost") -> None:
        """Add the rounds of another server."""
        self.cpu.extend(other.cpu)
        self.rate.extend(other.rate)
        self.p50.extend(other.p50)
        self.p99.extend(other.p99)

    @property
    def micros(self) -> float:
        """CPU of the server for each call, in microseconds."""
        return median(self.cpu) * 1e6


Costs = dict[CallKey, Cost]


async def run(rounds: int, seconds: float) -> Costs:
    """Measure every sort of call in turns, against one server."""
    async with (
        sink() as target,
        server(target, variant="echo") as served,
        channels(served.address) as opened,
    ):
        return await _measure(served, opened, list(_sorts()), rounds, seconds)


async def run_apart(
    key: CallKey, servers: Mapping[str, Mapping[str, Any]], rounds: int, seconds: float
) -> dict[str, Cost]:
    """Measure one sort of call in turns, against servers that differ in something.

    ``servers`` has for each name what ``processes.server`` takes.
    """
    sort = next(one for one in _sorts() if one.key == key)
    costs = {name: Cost() for name in servers}
    for _ in range(rounds):
        for name, settings in servers.items():
            async with (
                sink() as target,
                server(target, **settings) as served,
                channels(served.address) as opened,
            ):
                found = await _measure(served, opened, [sort], 1, seconds)
                costs[name].extend(found[key])
    return costs


async def _measure(
    served: Process, opened: Channels, sorts: list[Sort], rounds: int, seconds: float
) -> Costs:
    """Make calls of every sort for so long, and again; the first round warms up."""
    costs: Costs = {}
    for number in range(rounds + 1):
        for sort in sorts:
            before = served.cpu()
            called = await sort.make(opened, seconds)
            if number:
                cost = costs.setdefault(sort.key, Cost())
                cost.add(called, served.cpu() - before)
    return costs


def _sorts() -> Iterator[Sort]:
    for size in SIZES:
        for profile in PROFILES:
            used = loads(profile, size)
            for kind in ("typed", "json"):
                written = [
                    messages.transform(one, typed=kind == "typed") for one in used
                ]
                yield _unary(CallKey(profile, TRANSFORM, kind, size), written)
        yield _unary(CallKey(PURCHASE, FORWARD, "json", size), _forwards(size))
        yield _unary(CallKey(DAY, ECHO, "typed", size), _typed(DAY, size))
    for profile, name in ((PURCHASE, TRANSFORM), (DAY, ECHO)):
        yield _unary(CallKey(profile, name, "typed", 1, callers=1), _typed(profile, 1))
    for chunk in CHUNKS:
        data = messages.chunk_json(DAY, chunk=chunk, batch=_BATCH)
        first = messages.options(messages.SYNC)
        yield _stream(CallKey(DAY, STREAMED, "json", chunk), data, first)
        yield _stream(CallKey(DAY, ECHOED, "typed", chunk), data, None)


def _typed(profile: str, size: int) -> list[bytes]:
    return [messages.transform(load, typed=True) for load in loads(profile, size)]


def _forwards(size: int) -> list[bytes]:
    return [messages.forward(load) for load in loads(PURCHASE, size)]


def _unary(key: CallKey, written: list[bytes]) -> Sort:
    async def make(opened: Channels, seconds: float) -> Called:
        path, callers = _PATHS[key.name], key.callers
        return await unary(opened, path, written, seconds=seconds, callers=callers)

    return Sort(key=key, make=make)


def _stream(key: CallKey, data: bytes, options: bytes | None) -> Sort:
    async def make(opened: Channels, seconds: float) -> Called:
        out = until(seconds, messages.chunks(data))
        path, stream = _PATHS[key.name], Stream(window=_WINDOW)
        return await stream.run(opened[0], path, options=options, messages=out)

    return Sort(key=key, make=make)
