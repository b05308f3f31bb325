"""One who calls now and then beside a flood without back-off: what each gets."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

import grpc

from bench.h2load import Load, Said
from bench.processes import cpu_of
from hostile.conftest import Service
from hostile.transforms import transforms
from made_up import batch, purchase
from tokferry import AsyncClient, TokferryError

DEADLINE: Final = 2.0
EVERY: Final = 0.05
IN_A_ROW: Final = 5
QUICK: Final = 0.05
OUTSTANDING: Final = 100
"""Of each connection of a flood: three times what the server lets it have."""


@dataclass(slots=True)
class Calls:
    """What became of calls that were made one by one; ``waits`` in seconds."""

    ends: Counter[grpc.StatusCode] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)

    @property
    def good(self) -> float:
        """The share that ended in OK."""
        return self.ends[grpc.StatusCode.OK] / self.ends.total()

    def percentile(self, share: float) -> float:
        """Give a wait that this share of the calls did not exceed, in milliseconds."""
        ordered = sorted(self.waits)
        return 1e3 * ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    async def make(self, client: AsyncClient) -> None:
        """Make one more, with a deadline and the retries that the client comes with."""
        began = time.monotonic()
        try:
            await client.transform(
                batch(purchase()), connection="shop", timeout=DEADLINE
            )
            self.ends[grpc.StatusCode.OK] += 1
        except TokferryError as error:
            self.ends[error.code] += 1
        self.waits.append(time.monotonic() - began)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overload:
    """A flood of so many times the capacity, and what was seen meanwhile.

    ``goodput`` is the flood's rate of good calls through that of the peak, ``worth``
    the same for each second of the server's CPU, which other work on the machine does
    not change. ``recovery`` is in seconds.
    """

    factor: float
    polite: Calls
    flood: Said
    good: int
    goodput: float
    worth: float
    recovery: float

    def row(self) -> str:
        """Write it as a row of a table."""
        ok = f"{self.polite.ends[grpc.StatusCode.OK]} of {self.polite.ends.total()}"
        times = ", ".join(f"{self.polite.percentile(one):.0f}" for one in (0.5, 0.99))
        return (
            f"| {self.factor:g} | {ok} | {times} ms | {self.goodput:.2f} | "
            f"{self.worth:.2f} | {self.recovery:.1f} s |"
        )


HEADING: Final = (
    "| times the capacity | polite calls OK | p50, p99 | goodput / peak | "
    "the same per CPU second | recovery |\n| --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """What the server does at most, with a load that fits it."""

    load: Load
    answer_bytes: int
    rate: float
    per_cpu: float


async def peak(service: Service, seconds: int) -> Peak:
    """Measure how many calls a second there can be; the first ones warm up."""
    load, size = await transforms(service, connections=8, streams=8)
    await load.run("-n", "1000")
    before = cpu_of(service.process.pid)
    said = await load.run("-D", f"{seconds}s")
    good = said.good(size)
    return Peak(
        load=load,
        answer_bytes=size,
        rate=good / seconds,
        per_cpu=good / (cpu_of(service.process.pid) - before),
    )


async def overload(
    service: Service, most: Peak, *, factor: float, connections: int, seconds: int
) -> Overload:
    """Flood the server for so long, and call beside it."""
    load = replace(most.load, connections=connections, streams=OUTSTANDING)
    each = max(1, round(factor * most.rate / connections))
    await alone(service)
    before = cpu_of(service.process.pid)
    async with service.client() as client:
        async with calling(client) as polite:
            said = await load.run("-D", f"{seconds}s", "--rps", str(each))
            used = cpu_of(service.process.pid) - before
        over = time.monotonic()
        await recovered(client, polite)
    good = said.good(most.answer_bytes)
    return Overload(
        factor=factor,
        polite=polite,
        flood=said,
        good=good,
        goodput=good / seconds / most.rate,
        worth=good / used / most.per_cpu,
        recovery=time.monotonic() - over,
    )


@asynccontextmanager
async def calling(client: AsyncClient) -> AsyncIterator[Calls]:
    """Call twenty times a second meanwhile."""
    calls, making = Calls(), set[asyncio.Task[None]]()

    async def call() -> None:
        while True:
            making.add(asyncio.create_task(calls.make(client)))
            await asyncio.sleep(EVERY)

    caller = asyncio.create_task(call())
    try:
        yield calls
    finally:
        caller.cancel()
        await asyncio.gather(*making)


async def alone(service: Service) -> None:
    """Wait until connections that were there before count no more."""
    least, same = service.sockets, 0
    while same < IN_A_ROW:
        await asyncio.sleep(EVERY)
        now = service.sockets
        same = same + 1 if now >= least else 0
        least = min(least, now)


async def recovered(client: AsyncClient, polite: Calls) -> None:
    """Wait until several calls in a row are quick, or quicker than in the flood."""
    enough = max(QUICK * 1e3, polite.percentile(0.5))
    in_a_row = 0
    while in_a_row < IN_A_ROW:
        after = Calls()
        await after.make(client)
        in_a_row = in_a_row + 1 if after.waits[0] * 1e3 <= enough else 0
