"""Calls Tokferry: transform [BATCH.json] | forward FILE | stream FILE."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from tokferry import Client, Tls, TokferryError
from tokferry.mparticle.v1 import (
    AttributeValue,
    Batch,
    CommerceEvent,
    DeviceInfo,
    Environment,
    Event,
    EventInfo,
    IdentityType,
    Product,
    ProductAction,
    ProductActionType,
    UserIdentity,
)
from tokferry.v1 import DropReason, EventResult, ForwardTotals, Outcome, TransformResult

CONNECTION = os.environ.get("TOKFERRY_CONNECTION", "shop")
DEADLINE_SECONDS = 30
GOOD = {Outcome.OUTCOME_DELIVERED, Outcome.OUTCOME_ACCEPTED}


def connect() -> Client:
    """Open a channel; keepalive and the retry policy are the client's own."""
    authorities = os.environ.get("TOKFERRY_CA")
    tls = None if authorities == "system" else authorities
    return Client(
        os.environ.get("TOKFERRY_TARGET", "localhost:50051"),
        token=os.environ.get("TOKFERRY_TOKEN"),
        tls=Tls(authorities=tls) if authorities else False,
        timeout=DEADLINE_SECONDS,
    )


def purchase() -> Batch:
    """Build a batch of one purchase."""
    page = AttributeValue(string_value="https://shop.example.com/thanks")
    action = ProductAction(
        action=ProductActionType.PRODUCT_ACTION_TYPE_PURCHASE,
        transaction_id="order-1",
        total_amount=19.5,
        products=[Product(id="sku-1", price=9.75, quantity=2)],
    )
    event = Event(
        common=EventInfo(
            timestamp_unixtime_ms=1_790_000_000_000,
            event_id=9_007_199_254_740_993,
            custom_flags={"TikTok.URL": page},
        ),
        commerce_event=CommerceEvent(currency_code="EUR", product_action=action),
    )
    email = UserIdentity(
        identity_type=IdentityType.IDENTITY_TYPE_EMAIL, identity="jane.doe@example.com"
    )
    return Batch(
        environment=Environment.ENVIRONMENT_PRODUCTION,
        ip="203.0.113.7",
        device_info=DeviceInfo(http_header_user_agent="ExampleBrowser/1.0"),
        user_identities=[email],
        events=[event],
    )


def transform(client: Client, file: str | None = None) -> None:
    """Show what TikTok would get of a typed batch."""
    batch = purchase()
    if file is not None:
        batch = json_format.Parse(Path(file).read_text(), Batch())
    for result in client.transform(batch, connection=CONNECTION).results:
        for event in result.events:
            print(event.json.decode())
        if result.HasField("drop"):
            print(f"batch {result.batch}{event_of(result)}:{why_dropped(result)}")


def forward(client: Client, file: str) -> None:
    """Send raw mParticle JSON, and say what became of each event."""
    answer = client.forward(Path(file).read_bytes(), connection=CONNECTION)
    for result in answer.results:
        print(f"batch {result.batch}{event_of(result)}: {outcome_of(result)}")
    print_totals(answer.totals)


def stream(client: Client, file: str) -> None:
    """Send a file of one batch a line; chunks without an answer are sent again."""
    with Path(file).open("rb") as lines:
        answers = client.forward_stream(lines, connection=CONNECTION)
        for answer in answers:
            for result in answer.results:
                if result.outcome not in GOOD:
                    line = answer.source_index(result) + 1
                    print(f"line {line}{event_of(result)}: {outcome_of(result)}")
    print_totals(answers.totals)


def event_of(result: EventResult | TransformResult) -> str:
    """Name the event; a batch that could not be read has none."""
    return f" event {result.event}" if result.HasField("event") else ""


def outcome_of(result: EventResult) -> str:
    """Say what became of an event, and why if it was dropped."""
    outcome = name_of(Outcome, result.outcome)
    return outcome + (why_dropped(result) if result.HasField("drop") else "")


def why_dropped(result: EventResult | TransformResult) -> str:
    """Give the reason, and the field at fault."""
    return f" {name_of(DropReason, result.drop.reason)} {result.drop.field}".rstrip()


def name_of(enum: Any, value: int) -> str:
    """Name a value of an enum; newer servers may know more values."""
    return str(enum.Name(value)) if value in enum.values() else str(value)


def print_totals(totals: ForwardTotals) -> None:
    """Print every count."""
    fields = totals.DESCRIPTOR.fields
    print("totals:", *(f"{one.name}={getattr(totals, one.name)}" for one in fields))


def print_error(error: TokferryError) -> None:
    """Print a failed call: status, reason, wrong fields, quotas, when to try again."""
    print(error, file=sys.stderr)
    for quota in error.quotas:
        print(f"  {quota.subject}: {quota.description}", file=sys.stderr)
    for name, value in sorted(error.metadata.items()):
        print(f"  {name} = {value}", file=sys.stderr)
    if error.retry_after is not None:
        print(f"  retry after {error.retry_after:g} s", file=sys.stderr)


def main(command: str = "", *files: str) -> int:
    """Run one command; 1 if the call failed."""
    commands = {"transform": transform, "forward": forward, "stream": stream}
    if command not in commands:
        print(
            "usage: transform [BATCH.json] | forward FILE | stream FILE",
            file=sys.stderr,
        )
        return 1
    try:
        with connect() as client:
            commands[command](client, *files)
    except TokferryError as error:
        print_error(error)
        return 1
    except (OSError, ValueError) as error:  # a file, or a variable of the environment
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
