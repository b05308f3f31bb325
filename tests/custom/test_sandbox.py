"""Numbered ids at a real sandbox: each event counts, and counts once."""

import json

import httpx

from strategies.cases import BATCH, EVENT, merged
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.read_json import read_json
from tokferry_server.sandbox import Sandbox
from tokferry_server.settings import connection_from_mapping
from tokferry_server.tiktok.events_2 import EVENTS_2

TOKEN = "a-made-up-token"
MAPPINGS = [
    {
        "name": "each",
        "match": {"action": "purchase"},
        "event": "Sold",
        "per": "product",
    },
    {"name": "all", "match": {"action": "purchase"}, "event": "Sold"},
    {"name": "other", "match": {"action": "purchase"}, "event": "Purchase"},
]
PRODUCTS = [{"id": "a", "price": 1}, {"id": "b", "price": 2}]


def request() -> bytes:
    """Transform one purchase into the body that is posted."""
    settings = {"pixel_id": "C4EXAMPLE", "custom_mappings": MAPPINGS}
    connection = connection_from_mapping(settings).mapping
    action = {"action": "purchase", "products": PRODUCTS}
    event = merged(EVENT, {"data": {"currency_code": "EUR", "product_action": action}})
    body = json.dumps({**BATCH, "events": [event]}).encode()
    (outcome,) = Transformer(connection).transform(read_json(body))
    events = [EVENTS_2.encode_event(one.event, one.time_ms) for one in outcome.events]
    return bytes(EVENTS_2.encode_request(connection.route, events))


async def test_events_of_one_source_event_all_count_and_count_once() -> None:
    async with Sandbox(token=TOKEN) as sandbox:
        headers = {"Access-Token": TOKEN, "Content-Type": "application/json"}
        async with httpx.AsyncClient(
            base_url=sandbox.url, trust_env=False, headers=headers
        ) as client:
            codes = []
            for _ in range(2):
                answer = await client.post(EVENTS_2.path(4), content=request())
                codes.append(answer.json()["code"])
        taken = [(one.event, one.event_id) for one in sandbox.events]
        counts = sandbox.counts

    assert codes == [0, 0]
    assert taken == [
        ("Sold", "message-1"),
        ("Sold", "message-1.2"),
        ("Sold", "message-1.3"),
        ("Purchase", "message-1"),
    ]
    assert (counts.taken, counts.duplicates, counts.changed) == (4, 4, 0)
