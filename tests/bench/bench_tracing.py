"""What tracing costs: CPU of the server per call without, at 1 % and at 100 %.

Run `.venv/bin/python tests/bench/bench_tracing.py`. Three servers take turns in one
run; spans go by OTLP to a receiver in this process, requests to a sandbox in it.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from made_up import batch, purchase
from telemetry.process import Served, served, settings_file
from telemetry.receiver import Receiver, receiving
from tokferry import AsyncClient
from tokferry_server.sandbox.server import Sandbox

ROUNDS = 60
WARMING = 3
CALLS = 100
EXPORTED_S = 6.0
AT_ONCE = 8
TOKEN = "a-made-up-token"
SHARES = {"none": None, "1 %": "0.01", "100 %": "1.0"}

Send = Callable[[AsyncClient, int], Awaitable[object]]


async def transform(client: AsyncClient, number: int) -> object:
    return await client.transform(batch(purchase(number)), connection="shop")


async def forward(client: AsyncClient, number: int) -> object:
    return await client.forward(batch(purchase(number)), connection="shop")


def environment(receiver: Receiver, share: str | None) -> dict[str, str]:
    if share is None:
        return {"OTEL_TRACES_EXPORTER": "none"}
    return {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address,
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": share,
    }


def cpu_seconds(pid: int) -> float:
    """Give what all threads of a process have run, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


async def cost(service: Served, client: AsyncClient, send: Send) -> float:
    """Give the server's CPU of one call, in microseconds."""
    numbers = iter(range(CALLS))

    async def caller() -> None:
        for number in numbers:
            await send(client, number)

    before = cpu_seconds(service.process.pid)
    await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
    return (cpu_seconds(service.process.pid) - before) / CALLS * 1e6


async def main() -> None:
    async with AsyncExitStack() as stack:
        receiver = stack.enter_context(receiving())
        sandbox = await stack.enter_async_context(Sandbox(token=TOKEN))
        servers = {}
        for name, share in SHARES.items():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            (folder / "token").write_text(TOKEN)
            file = settings_file(folder, sandbox.url, outbox=False)
            service = await stack.enter_async_context(
                served(file, environment(receiver, share))
            )
            client = await stack.enter_async_context(AsyncClient(service.target))
            servers[name] = (service, client)
        for send in (transform, forward):
            await measure(send, servers)
        print(f"spans received: {len(receiver.spans())}")


async def measure(send: Send, servers: dict[str, tuple[Served, AsyncClient]]) -> None:
    """Print medians of rounds, and totals, which hold what was exported in between."""
    found: dict[str, list[float]] = {name: [] for name in servers}
    before: dict[str, float] = {}
    for turn in range(ROUNDS + WARMING):
        if turn == WARMING:
            before = totals(servers)
        names = random.sample(sorted(servers), len(servers))
        costs = {name: await cost(*servers[name], send) for name in names}
        if turn >= WARMING:
            for name, microseconds in costs.items():
                found[name].append(microseconds)
    await asyncio.sleep(EXPORTED_S)
    after = totals(servers)
    whole = {name: (after[name] - before[name]) / ROUNDS / CALLS for name in servers}
    for name, values in found.items():
        pairs = zip(values, found["none"], strict=True)
        ratio = statistics.median(value / base for value, base in pairs) - 1
        print(
            f"{send.__name__:>10} {name:>6}: median {statistics.median(values):5.0f} µs"
            f" a call, {ratio:+6.1%}; in all {whole[name] * 1e6:5.0f} µs,"
            f" {whole[name] / whole['none'] - 1:+6.1%}"
        )


def totals(servers: dict[str, tuple[Served, AsyncClient]]) -> dict[str, float]:
    return {
        name: cpu_seconds(service.process.pid) for name, (service, _) in servers.items()
    }


if __name__ == "__main__":
    asyncio.run(main())
