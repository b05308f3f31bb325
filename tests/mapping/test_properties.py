"""What holds for every batch: both readers agree, nothing is sent in clear text."""

from itertools import chain
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from strategies import messages
from strategies.cases import connection
from strategies.dialects import INBOUND, OUTGOING, write
from tokferry.mparticle import v1 as mparticle
from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.outcome import Outcome
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.read_json import read_json
from tokferry_server.mparticle.read_proto import read_proto
from tokferry_server.sandbox.strict import first_problem
from tokferry_server.tiktok.events_1 import EVENTS_1
from tokferry_server.tiktok.events_2 import EVENTS_2
from tokferry_server.tiktok.wire import WireFormat

MARKER = "zanzibar"
CONNECTIONS: tuple[Connection, ...] = (
    connection(),
    connection(
        default_region="GB",
        native_events="extended",
        ip_and_user_agent="optional",
        derive_value=True,
        user_attributes=True,
        external_id_case="lower",
        email_identity_types=["email", "other", "other_id_10"],
        external_identity_types=["customer_id", "google", "other_id_2"],
        phone_identity_types=["mobile_number", "phone_number_2"],
    ),
    connection(
        event_names="current", gdpr_purposes=["advertising"], ccpa_opt_out="drop"
    ),
    connection(wire_format="events_1", historical="send", limited_data_use=True),
    connection(event_source="app", native_events="extended", app_id="com.example"),
    connection(event_source="offline", event_id_sources=["content_hash"]),
    connection(
        ip_and_user_agent="optional",
        custom_mappings=[
            {
                "name": "each",
                "match": {"event_type": "commerce_event"},
                "event": "Sold",
                "per": "product",
                "fields": {
                    "value": {"from": "product.price", "required": True},
                    "description": {"from": "event.custom_attributes.k"},
                },
            },
            {"name": "rest", "event": "Anything", "is_default": True},
        ],
    ),
    connection(event_source="crm", environments=["production", "staging"]),
)
TRANSFORMERS = [Transformer(one) for one in CONNECTIONS]
WIRE: dict[str, WireFormat] = {"events_1": EVENTS_1, "events_2": EVENTS_2}
SEEDS = 10_000
CHUNKS = 4
SHRINKING = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def made(random: Random, count: int = 1) -> list[mparticle.Batch]:
    return [messages.batch(random, MARKER) for _ in range(count)]


def encoded(outcomes: list[Outcome], transformer: Transformer) -> list[bytes]:
    wire = WIRE[transformer.connection.wire_format]
    return [
        wire.encode_event(mapped.event, mapped.time_ms)
        for outcome in outcomes
        for mapped in outcome.events
    ]


def check_readings(batches: list[mparticle.Batch], transformer: Transformer) -> int:
    """Compare the three ways in; give the number of events that are sent."""
    typed = list(transformer.transform(read_proto(batches)))
    sent = encoded(typed, transformer)
    for dialect in (INBOUND, OUTGOING):
        read = list(transformer.transform(read_json(write(batches, dialect))))
        assert read == typed
        assert encoded(read, transformer) == sent
    assert MARKER.encode() not in b"".join(sent).lower()
    assert len(typed) == sum(len(batch.events) for batch in batches)
    return len(sent)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_typed_messages_and_both_dialects_give_the_same(chunk: int) -> None:
    sent = sum(
        check_readings(made(Random(seed)), TRANSFORMERS[seed % len(TRANSFORMERS)])
        for seed in range(chunk, SEEDS, CHUNKS)
    )

    assert sent > SEEDS / CHUNKS / 5


@SHRINKING
@given(st.randoms(use_true_random=False), st.sampled_from(TRANSFORMERS))
def test_typed_messages_and_both_dialects_give_the_same_for_any_batch(
    random: Random, transformer: Transformer
) -> None:
    check_readings(made(random), transformer)


@pytest.mark.parametrize("transformer", TRANSFORMERS)
def test_a_transformer_is_deterministic(transformer: Transformer) -> None:
    batches = read_proto(made(Random(1), 100))
    first = list(transformer.transform(batches))

    assert list(transformer.transform(batches)) == first
    assert list(Transformer(transformer.connection).transform(batches)) == first


@pytest.mark.parametrize("transformer", TRANSFORMERS)
def test_batches_do_not_touch_each_other(transformer: Transformer) -> None:
    batches = read_proto(made(Random(2), 60))
    order = list(range(len(batches)))
    Random(3).shuffle(order)
    alone = [list(transformer.transform([batch])) for batch in batches]
    together = list(transformer.transform(batches[number] for number in order))

    assert together == list(
        chain.from_iterable(
            [replace(outcome, batch=position) for outcome in alone[number]]
            for position, number in enumerate(order)
        )
    )


@pytest.mark.parametrize("transformer", TRANSFORMERS)
def test_each_outcome_is_either_sent_or_dropped(transformer: Transformer) -> None:
    for outcome in transformer.transform(read_proto(made(Random(4), 200))):
        assert bool(outcome.events) != bool(outcome.drop)


@pytest.mark.parametrize("transformer", TRANSFORMERS)
def test_what_is_sent_is_taken_by_a_strict_reader(transformer: Transformer) -> None:
    one = transformer.connection
    wire = WIRE[one.wire_format]
    batches = read_proto(made(Random(5), 800))
    events = encoded(list(transformer.transform(batches)), transformer)
    bodies = [(event, wire.encode_request(one.route, [event])) for event in events]
    problems = {
        problem.message: event
        for event, body in bodies
        if (problem := first_problem(wire.path(1), body)) is not None
    }

    assert events
    assert problems == {}
