"""Makes rows of what was measured between processes: calls and deliveries."""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from bench import h2load, rpc, sorts
from bench.delivery import Delivered, Pipeline
from bench.profiles import DAY
from bench.table import Group, Row

_ECHO_MORE: Final = 100.0
_DELIVERED: Final = 15_000.0
_OF_STORED: Final = 0.6
_IDLE_MIB: Final = 90.0
_BULK_MIB: Final = 256.0

_TRANSPORT: Final = 3.0

Runs = dict[Pipeline, list[Delivered]]
Apart = dict[str, rpc.Cost]


def rpc_group(costs: rpc.Costs, workers: Apart, transports: Apart) -> Group:
    """Write what calls cost the server, and how fast they come back."""
    rows = [
        _call(key, cost, costs[_echo_of(key)])
        for key, cost in costs.items()
        if key.name not in (sorts.ECHO, sorts.ECHOED)
    ]
    if not h2load.is_here():
        missing = f"missing; install it by: {h2load.INSTALL}"
        rows.append(Row(what=f"the same by {h2load.PROGRAM}", figure=missing))
    rows.append(_apart(sorts.SHORTEST, workers))
    rows.append(_apart(sorts.ALONE, transports, _TRANSPORT))
    return Group("Calls: µs of CPU of the server for each, calls/s, p50 and p99", rows)


def _echo_of(key: sorts.CallKey) -> sorts.CallKey:
    name = sorts.ECHOED if key.name == sorts.STREAMED else sorts.ECHO
    return key._replace(profile=DAY, name=name, kind="typed")


def _call(key: sorts.CallKey, cost: rpc.Cost, echo: rpc.Cost) -> Row:
    goal = key.name == sorts.TRANSFORM and key.size == 1 and key.callers > 1
    by = "" if key.by == sorts.PYTHON else f" of {key.by}"
    callers = "1 caller" if key.callers == 1 else f"{key.callers} callers"
    streamed = key.name == sorts.STREAMED
    return Row(
        what=f"{key.name}, {key.profile}, {key.kind}, {key.size} a "
        + ("chunk" if streamed else f"call, {callers}{by}"),
        figure=_cost(cost),
        floor=f"echo: {_cost(echo)}",
        ratio=cost.micros / echo.micros,
        reach=f"≤ echo + {_ECHO_MORE:.0f} µs" if goal else "",
        reached=cost.micros - echo.micros <= _ECHO_MORE if goal else None,
    )


def _apart(key: sorts.CallKey, costs: Apart, least: float | None = None) -> Row:
    (first, floor), (second, cost) = costs.items()
    ratio = median(cost.rate) / median(floor.rate)
    return Row(
        what=f"{key.name}, {key.profile}, {key.kind}, {key.size} a call, {second}",
        figure=_cost(cost),
        floor=f"{first}: {_cost(floor)}",
        ratio=ratio,
        reach="" if least is None else f"≥ {least:g} times the calls/s",
        reached=None if least is None else ratio >= least,
    )


def delivery_group(runs: Runs) -> Group:
    """Write how much is accepted and delivered in bulk, and with how much memory."""
    rows = [
        _pipeline(pipeline, delivered, runs)
        for pipeline, delivered in runs.items()
        if pipeline.mapped
    ]
    alone = [found for p, found in runs.items() if p.mapped and p.workers == 1]
    rows.extend(_memory([one for found in alone for one in found]))
    return Group("Delivery: events/s accepted / delivered; µs of CPU an event", rows)


def _pipeline(pipeline: Pipeline, delivered: list[Delivered], runs: Runs) -> Row:
    mode = "DURABLE" if pipeline.durable else "SYNC"
    stored = next(
        (
            found
            for other, found in runs.items()
            if not other.mapped
            and (other.durable, other.workers) == (pipeline.durable, pipeline.workers)
        ),
        None,
    )
    what = (
        f"ForwardStream {mode}, {pipeline.profile}, batches of {pipeline.batch}, "
        f"chunks of {pipeline.chunk}{', 2 workers' if pipeline.workers > 1 else ''}"
    )
    if stored is None:
        return Row(what=what, figure=_delivered(delivered))
    rate = median(one.delivered for one in delivered)
    share = rate / median(one.delivered for one in stored)
    return Row(
        what=what,
        figure=_delivered(delivered),
        floor=f"stored bytes: {_delivered(stored)}",
        ratio=share,
        reach=f"≥ {_DELIVERED:,.0f}/s and ≥ {_OF_STORED}",
        reached=rate >= _DELIVERED and share >= _OF_STORED,
    )


def _memory(runs: Sequence[Delivered]) -> Iterator[Row]:
    for what, mib, limit in (
        ("idle", max(one.idle for one in runs), _IDLE_MIB),
        ("peak of these runs", max(one.peak for one in runs), _BULK_MIB),
    ):
        yield Row(
            what=f"Memory of the server, {what}",
            figure=f"{mib:.0f} MiB",
            reach=f"≤ {limit:.0f} MiB",
            reached=mib <= limit,
        )


def _cost(cost: rpc.Cost) -> str:
    p50, p99 = median(cost.p50) * 1e3, median(cost.p99) * 1e3
    rate = median(cost.rate)
    return f"{cost.micros:,.0f} µs, {rate:,.0f}/s, {p50:.1f} and {p99:.1f} ms"


def _delivered(runs: list[Delivered]) -> str:
    accepted, delivered, cpu, more = (
        median(getattr(one, name) for one in runs)
        for name in ("accepted", "delivered", "server_cpu", "sink_cpu")
    )
    return (
        f"{accepted:,.0f} / {delivered:,.0f}; server {cpu * 1e6:.0f}, "
        f"sink {more * 1e6:.0f}"
    )
