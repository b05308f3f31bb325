"""Calls over gRPC to the real server: throughput, latency, and CPU of the server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

import grpc

from bench import sorts
from bench.calls import Called, channels
from bench.processes import Process, server, sink

WORKERS: Final = {
    "1 worker": {"options": ("--workers", "1")},
    "2 workers": {"options": ("--workers", "2")},
}
TRANSPORTS: Final = {
    "httpx's own transport": {"variant": "httpx"},
    "the server's transport": {},
}


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


Costs = dict[sorts.CallKey, Cost]


async def run(rounds: int, seconds: float) -> Costs:
    """Measure every sort of call in turns, against one server."""
    async with (
        sink() as target,
        server(target, variant="echo") as served,
        channels(served.address) as opened,
    ):
        return await _measure(served, opened, list(sorts.sorts()), rounds, seconds)


async def run_apart(
    key: sorts.CallKey,
    servers: Mapping[str, Mapping[str, Any]],
    rounds: int,
    seconds: float,
) -> dict[str, Cost]:
    """Measure one sort of call in turns, against servers that differ in something.

    ``servers`` has for each name what ``processes.server`` takes.
    """
    sort = next(one for one in sorts.sorts() if one.key == key)
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
    served: Process,
    opened: Sequence[grpc.aio.Channel],
    measured: list[sorts.Sort],
    rounds: int,
    seconds: float,
) -> Costs:
    """Make calls of every sort for so long, and again; the first round warms up."""
    target = sorts.Target(served.address, opened)
    costs: Costs = {}
    for number in range(rounds + 1):
        for sort in measured:
            before = served.cpu()
            called = await sort.make(target, seconds)
            if number:
                cost = costs.setdefault(sort.key, Cost())
                cost.add(called, served.cpu() - before)
    return costs
