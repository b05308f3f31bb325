"""Transform over a real channel: what TikTok would get, and nothing sent."""

import json
from typing import Any

import pytest
from google.protobuf.message import Message

import tokferry
from made_up import batch, purchase
from tokferry.mparticle.v1 import Batch, ProductActionType
from tokferry.v1 import (
    CcpaOptOut,
    ConnectionSettings,
    ConsentSettings,
    DropReason,
    EventSource,
    MatchKey,
    TransformOutcome,
    WarningCode,
    WireFormat,
)

DROPPED = TransformOutcome.TRANSFORM_OUTCOME_DROPPED
EVENTS = TransformOutcome.TRANSFORM_OUTCOME_EVENTS


async def test_every_event_has_one_result_in_input_order(start: Any) -> None:
    running = await start()
    malformed = {"event_type": "commerce_event", "data": {"product_action": 5}}
    response = await running.client.transform(
        [
            batch(purchase(1), malformed, purchase(2)),
            batch(purchase(3), environment="development"),
        ],
        connection="shop",
    )
    assert [(r.batch, r.event, r.outcome) for r in response.results] == [
        (0, 0, EVENTS),
        (0, 1, DROPPED),
        (0, 2, EVENTS),
        (1, 0, DROPPED),
    ]
    drops = [result.drop for result in response.results if result.HasField("drop")]
    assert [(drop.reason, drop.field, drop.intended) for drop in drops] == [
        (DropReason.DROP_REASON_MALFORMED_EVENT, "event.product_action", False),
        (DropReason.DROP_REASON_ENVIRONMENT, "batch.environment", True),
    ]
    assert running.sandbox.counts.requests == 0


async def test_the_typed_event_and_its_bytes_say_the_same(start: Any) -> None:
    running = await start()
    response = await running.client.transform(batch(purchase(1)), connection="shop")
    (event,) = response.results[0].events
    assert _as_json(event.event) == json.loads(event.json)
    assert not event.coverage


async def test_a_typed_batch_gives_what_its_json_gives(start: Any) -> None:
    running = await start()
    typed = Batch(ip="203.0.113.7")
    typed.user_identities.add(identity="jane.doe@example.com", identity_type=8)
    typed.device_info.http_header_user_agent = "ExampleBrowser/1.0"
    event = typed.events.add()
    event.common.timestamp_unixtime_ms = 1_790_000_000_001
    event.common.source_message_id = "message-1"
    event.common.custom_flags[
        "TikTok.URL"
    ].string_value = "https://shop.example.com/thanks"
    commerce = event.commerce_event
    commerce.currency_code = "EUR"
    commerce.product_action.action = ProductActionType.PRODUCT_ACTION_TYPE_PURCHASE
    commerce.product_action.transaction_id = "order-1"
    commerce.product_action.total_amount = 19.5
    commerce.product_action.products.add(id="sku-1", price=9.75, quantity=2)
    from_typed = await running.client.transform(typed, connection="shop")
    from_json = await running.client.transform(batch(purchase(1)), connection="shop")
    assert from_typed == from_json


async def test_inline_settings_need_no_connection(start: Any) -> None:
    running = await start()
    settings = ConnectionSettings(
        pixel_id="C4INLINE",
        wire_format=WireFormat.WIRE_FORMAT_EVENTS_1,
        consent=ConsentSettings(ccpa_opt_out=CcpaOptOut.CCPA_OPT_OUT_DROP),
    )
    settings.max_event_age.FromSeconds(3600)
    opted_out = {"ccpa": {"data_sale_opt_out": {"consented": True}}}
    response = await running.client.transform(
        [batch(purchase(1)), batch(purchase(2), consent_state=opted_out)],
        settings=settings,
    )
    event = response.results[0].events[0]
    assert event.legacy_event.timestamp == "2026-09-21T14:13:20.001Z"
    assert _as_json(event.legacy_event) == json.loads(event.json)
    assert response.results[1].drop.reason == DropReason.DROP_REASON_CCPA_OPT_OUT


async def test_wrong_inline_settings_are_listed_by_path(start: Any) -> None:
    running = await start()
    settings = ConnectionSettings(
        pixel_id=" ",
        event_source=EventSource.EVENT_SOURCE_WEB,
        default_region="XX",
        email_identity_types=["e-mail"],
    )
    with pytest.raises(tokferry.InvalidRequest) as caught:
        await running.client.transform(batch(purchase(1)), settings=settings)
    assert caught.value.reason == "INVALID_SETTINGS"
    assert {violation.field for violation in caught.value.violations} == {
        "settings.pixel_id",
        "settings.default_region",
        "settings.email_identity_types[0]",
    }


async def test_a_test_event_code_lets_development_traffic_through(start: Any) -> None:
    running = await start()
    response = await running.client.transform(
        batch(purchase(1), environment="development"),
        connection="shop",
        test_event_code="TEST123",
    )
    assert response.results[0].outcome == EVENTS


@pytest.mark.parametrize("code", ["x" * 65, "TEST\n123", "T\u00c9ST"])
async def test_a_test_event_code_that_is_none_is_refused(start: Any, code: str) -> None:
    running = await start()
    with pytest.raises(tokferry.InvalidRequest) as caught:
        await running.client.transform(
            batch(purchase(1)), connection="shop", test_event_code=code
        )
    assert [violation.field for violation in caught.value.violations] == [
        "test_event_code"
    ]


async def test_explain_names_the_origin_of_every_field(start: Any) -> None:
    running = await start()
    response = await running.client.transform(
        batch(purchase(1)), connection="shop", explain=True
    )
    (event,) = response.results[0].events
    assert response.coverage.events == 1
    assert MatchKey.MATCH_KEY_EMAIL in event.coverage
    origins = {o.tiktok_field: (o.mparticle_path, o.rule) for o in event.origins}
    assert origins["user.email"] == ("batch.user_identities.email", "email")
    assert set(_leaves(json.loads(event.json))) == set(origins)


async def test_explain_names_the_custom_mapping(start: Any) -> None:
    mapping = {
        "name": "sign-ups",
        "match": {"event_type": "commerce_event", "action": "purchase"},
        "event": "Subscribe",
    }
    running = await start(custom_mappings=[mapping])
    response = await running.client.transform(
        batch(purchase(1)), connection="shop", explain=True
    )
    (event,) = response.results[0].events
    named = {o.tiktok_field: o.mapping for o in event.origins if o.HasField("mapping")}
    assert named["event"] == "sign-ups"
    assert "user.email" not in named


async def test_warnings_come_with_their_field(start: Any) -> None:
    running = await start()
    response = await running.client.transform(
        batch(purchase(1, currency_code="XXX")), connection="shop"
    )
    assert [(w.code, w.field) for w in response.results[0].warnings] == [
        (
            WarningCode.WARNING_CODE_EVENT_NAME_RETIRING,
            "event.product_action.action",
        ),
        (WarningCode.WARNING_CODE_CURRENCY_UNKNOWN, "event.currency_code"),
        (WarningCode.WARNING_CODE_VALUE_WITHOUT_CURRENCY, "event.currency_code"),
    ]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "EMPTY_REQUEST"),
        (b"[]", "EMPTY_REQUEST"),
        (b"not json", "UNREADABLE_INPUT"),
        (b"[1, 2]", "UNREADABLE_INPUT"),
    ],
)
async def test_input_without_any_batch_is_refused(
    start: Any, raw: bytes, reason: str
) -> None:
    running = await start()
    with pytest.raises(tokferry.InvalidRequest) as caught:
        await running.client.transform(raw, connection="shop")
    assert caught.value.reason == reason
    assert caught.value.violations


async def test_more_events_than_the_limit_are_refused(start: Any) -> None:
    running = await start()
    with pytest.raises(tokferry.InvalidRequest) as caught:
        await running.client.transform(
            batch(*(purchase(n) for n in range(251))), connection="shop"
        )
    assert caught.value.reason == "TOO_MANY_EVENTS"
    assert caught.value.metadata["limit"] == "250"


def _as_json(message: Message) -> Any:
    """The message as TikTok's JSON has it: one value of a list member stands alone."""
    members: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.message_type is None:
            single = field.is_repeated and field.name in {
                "email",
                "phone",
                "external_id",
            }
            plain = list(value) if field.is_repeated else value
            members[field.name] = plain[0] if single and len(plain) == 1 else plain
        elif field.is_repeated:
            members[field.name] = [_as_json(item) for item in value]
        else:
            members[field.name] = _as_json(value)
    return members


def _leaves(value: Any, path: str = "") -> list[str]:
    if isinstance(value, dict):
        return [
            leaf
            for name, item in value.items()
            for leaf in _leaves(item, f"{path}.{name}" if path else name)
        ]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [
            leaf
            for index, item in enumerate(value)
            for leaf in _leaves(item, f"{path}[{index}]")
        ]
    return [path]
