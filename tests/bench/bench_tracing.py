"""What tracing costs: CPU of the server per call without, at 1 % and at 100 %.

Run `.venv/bin/python tests/bench/bench_tracing.py`. Eighteen servers take turns in one
run, six of each kind, since two of one kind may differ by 8 %. Spans go by OTLP to a
receiver in this process, requests to a sandbox in it.
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

COPIES = 6
ROUNDS = 25
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


Running = tuple[str, Served, AsyncClient]


async def main() -> None:
    async with AsyncExitStack() as stack:
        receiver = stack.enter_context(receiving())
        sandbox = await stack.enter_async_context(Sandbox(token=TOKEN))
        servers: list[Running] = []
        for name in [*SHARES] * COPIES:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            (folder / "token").write_text(TOKEN)
            file = settings_file(folder, sandbox.url, outbox=False)
            service = await stack.enter_async_context(
                served(file, environment(receiver, SHARES[name]))
            )
            client = await stack.enter_async_context(AsyncClient(service.target))
            servers.append((name, service, client))
        for send in (transform, forward):
            await measure(send, servers)
        print(f"spans received: {len(receiver.spans())}")


async def measure(send: Send, servers: list[Running]) -> None:
    """Print medians of rounds, and totals, which hold what was exported in between."""
    rounds: dict[str, list[float]] = {name: [] for name in SHARES}
    before = [0.0] * len(servers)
    for turn in range(ROUNDS + WARMING):
        if turn == WARMING:
            before = totals(servers)
        for name, service, client in random.sample(servers, len(servers)):
            microseconds = await cost(service, client, send)
            if turn >= WARMING:
                rounds[name].append(microseconds)
    await asyncio.sleep(EXPORTED_S)
    used = [
        (after - start) / ROUNDS / CALLS * 1e6
        for after, start in zip(totals(servers), before, strict=True)
    ]
    medians = {name: statistics.median(values) for name, values in rounds.items()}
    for name, median in medians.items():
        copies = used[list(SHARES).index(name) :: len(SHARES)]
        whole = statistics.mean(copies) / statistics.mean(used[:: len(SHARES)]) - 1
        print(
            f"{send.__name__:>10} {name:>6}: {median:5.0f} µs a call,"
            f" {median / medians['none'] - 1:+6.1%}; in all"
            f" {' '.join(f'{one:.0f}' for one in copies)} µs, {whole:+6.1%}"
        )


def totals(servers: list[Running]) -> list[float]:
    return [cpu_seconds(service.process.pid) for _, service, _ in servers]


if __name__ == "__main__":
    asyncio.run(main())
