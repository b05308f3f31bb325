"""``tokferry demo``: batches through a real server into the sandbox, on loopback."""

import copy
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from tokferry.v1 import EventResult
    from tokferry_server.sandbox.ledger import Counts
    from tokferry_server.settings import Settings

_TOKEN_VARIABLE = "TOKFERRY_DEMO_TOKEN"  # noqa: S105  a name, not a token
_REFUSED = "demo-3"
_COPIES = 5
_PLAIN = {"DELIVERED": "green", "DROPPED": "yellow", "REJECTED": "red"}


@dataclass(frozen=True, slots=True)
class Sent:
    """One batch that was forwarded, and what became of its events."""

    name: str
    batches: int
    results: list["EventResult"]


def demo() -> None:
    """Run the sample batches through a server into a sandbox and show what happens.

    Exit codes: 0 when the sandbox's own count agrees with the results, else 1.
    """
    import asyncio
    import secrets

    os.environ[_TOKEN_VARIABLE] = secrets.token_hex(16)
    sent, counts = asyncio.run(_run(os.environ[_TOKEN_VARIABLE]))
    _show(sent)
    if not _agrees(sent, counts):
        raise typer.Exit(1)


async def _run(token: str) -> tuple[list[Sent], "Counts"]:
    from tokferry import AsyncClient
    from tokferry_server.assembly import assembled
    from tokferry_server.sandbox.faults import Fault
    from tokferry_server.sandbox.server import Sandbox

    refuse = Fault(reply="refuse", event_ids=frozenset({_REFUSED}), times=None)
    async with Sandbox(token=token, faults=[refuse]) as sandbox:
        async with assembled(_settings(sandbox.url)) as service:
            port = await service.server.start("127.0.0.1:0")
            async with AsyncClient(f"127.0.0.1:{port}") as client:
                sent = [
                    Sent(
                        name,
                        len(batches),
                        list(
                            (await client.forward(batches, connection="demo")).results
                        ),
                    )
                    for name, batches in _batches()
                ]
            await service.server.drain()
        return sent, sandbox.counts


def _settings(url: str) -> "Settings":
    from tokferry_server.settings import settings_from_mapping

    return settings_from_mapping(
        {
            "tiktok": {"base_url": url, "allow_loopback": True},
            "connections": {
                "demo": {
                    "pixel_id": "C4DEMO00000000000000",
                    "access_token": {"env": _TOKEN_VARIABLE},
                }
            },
        }
    )


def _batches() -> Iterable[tuple[str, list[dict[str, Any]]]]:
    """Give every sample, and five purchases of which TikTok is to refuse the third."""
    import json

    purchase: dict[str, Any] = {}
    folder = resources.files("tokferry_server.samples")
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".json"):
            content = json.loads(file.read_bytes())
            name = file.name.removesuffix(".json")
            if name == "purchase":
                purchase = content
            yield name, content if isinstance(content, list) else [content]
    yield "five purchases, one bad", [_five(purchase)]


def _five(purchase: dict[str, Any]) -> dict[str, Any]:
    batch = copy.deepcopy(purchase)
    batch["events"] = []
    for number in range(1, _COPIES + 1):
        event = copy.deepcopy(purchase["events"][0])
        event["data"]["source_message_id"] = f"demo-{number}"
        batch["events"].append(event)
    return batch


def _show(sent: list[Sent]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from tokferry.v1 import Outcome

    table = Table(title="Every event and what became of it", box=box.SIMPLE_HEAD)
    for column in ("batch", "event", "outcome", "TikTok event", "why"):
        table.add_column(column, overflow="fold")
    for one in sent:
        for result in one.results:
            outcome = Outcome.Name(result.outcome).removeprefix("OUTCOME_")
            names = ", ".join(delivery.event for delivery in result.deliveries)
            table.add_row(
                Text(one.name if one.batches == 1 else f"{one.name} [{result.batch}]"),
                str(result.event) if result.HasField("event") else "-",
                Text(outcome, style=_PLAIN.get(outcome, "magenta")),
                names,
                Text(_why(result)),
            )
    Console().print(table)


def _why(result: "EventResult") -> str:
    from tokferry.v1 import DeliveryReason, DropReason

    if result.HasField("drop"):
        reason = DropReason.Name(result.drop.reason).removeprefix("DROP_REASON_")
        return f"{reason} at {result.drop.field}"
    return ", ".join(
        f"{DeliveryReason.Name(delivery.reason).removeprefix('DELIVERY_REASON_')}, "
        f"code {delivery.code}"
        for delivery in result.deliveries
        if delivery.reason
    )


def _agrees(sent: list[Sent], counts: "Counts") -> bool:
    """Show the sums, and say whether the sandbox counted the same."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from tokferry.v1 import DropReason, Outcome

    results = [result for one in sent for result in one.results]
    outcomes = Counter(
        Outcome.Name(result.outcome).removeprefix("OUTCOME_") for result in results
    )
    drops = Counter(
        DropReason.Name(result.drop.reason).removeprefix("DROP_REASON_")
        for result in results
        if result.HasField("drop")
    )
    delivered = sum(
        delivery.outcome == Outcome.OUTCOME_DELIVERED
        for result in results
        for delivery in result.deliveries
    )
    agrees = counts.taken + counts.duplicates == delivered
    table = Table(title="In sum", box=box.SIMPLE_HEAD, show_header=False)
    table.add_row("batches in", str(sum(one.batches for one in sent)))
    table.add_row("events in", str(len(results)))
    table.add_row("delivered", str(outcomes["DELIVERED"]))
    table.add_row("refused by TikTok, cut out alone", str(outcomes["REJECTED"]))
    table.add_row("dropped", str(outcomes["DROPPED"]))
    for reason, count in sorted(drops.items()):
        table.add_row(f"  {reason}", str(count))
    verdict = "agrees" if agrees else "DOES NOT AGREE"
    table.add_row(
        "the sandbox counted",
        f"{counts.taken} events in {counts.requests} requests: {verdict}",
    )
    Console().print(table)
    return agrees
