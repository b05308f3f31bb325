"""Typed messages into the structs: absent stays absent, an odd event stands alone."""

from typing import Any

import pytest

from strategies.cases import connection
from tokferry.mparticle import v1 as mparticle
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.identities import identities
from tokferry_server.mparticle.model import Batch, Event, Malformed
from tokferry_server.mparticle.read_proto import read_proto

PURCHASE = mparticle.ProductActionType.PRODUCT_ACTION_TYPE_PURCHASE
COMMERCE = mparticle.EventType.EVENT_TYPE_COMMERCE_EVENT


def read(message: mparticle.Batch) -> Batch:
    (batch,) = read_proto([message])
    assert isinstance(batch, Batch)
    return batch


def read_event(message: mparticle.Event) -> Event:
    (event,) = read(mparticle.Batch(events=[message])).events
    assert isinstance(event, Event)
    return event


def test_an_event_at_odds_with_itself_keeps_its_neighbours() -> None:
    odd = mparticle.Event(
        event_type=COMMERCE, custom_event=mparticle.CustomEvent(event_name="zanzibar")
    )
    right = mparticle.Event(screen_view=mparticle.ScreenView(screen_name="Home"))
    first, malformed, last = read(mparticle.Batch(events=[right, odd, right])).events

    assert isinstance(first, Event)
    assert isinstance(last, Event)
    assert isinstance(malformed, Malformed)
    assert malformed.field == "event.event_type"
    assert "custom_event" in malformed.problem
    assert "zanzibar" not in malformed.problem


@pytest.mark.parametrize("event_type", [None, COMMERCE])
def test_the_member_that_is_set_says_the_event_type(event_type: Any) -> None:
    action = mparticle.ProductAction(action=PURCHASE)
    event = read_event(
        mparticle.Event(
            event_type=event_type,
            commerce_event=mparticle.CommerceEvent(product_action=action),
        )
    )

    assert event.event_type == "commerce_event"
    assert event.data is not None
    assert event.data.product_action is not None
    assert event.data.product_action.action == "purchase"


def test_an_event_type_without_its_member_is_read() -> None:
    event = read_event(
        mparticle.Event(
            event_type=mparticle.EventType.EVENT_TYPE_FIRST_RUN,
            common=mparticle.EventInfo(event_id=-5),
        )
    )

    assert event.event_type == "first_run"
    assert event.data is not None
    assert event.data.event_id == -5


def test_spellings_that_no_enum_knows_are_kept() -> None:
    batch = read(
        mparticle.Batch(
            unrecognized_environment="staging",
            user_identities=[
                mparticle.UserIdentity(
                    unrecognized_identity_type="other2", identity="x"
                )
            ],
            events=[mparticle.Event(unrecognized_event_type="brand_new")],
        )
    )

    assert batch.data.environment == "staging"
    assert identities(batch.data) == {"other_id_2": [("other_id_2", "x")]}
    assert [event.event_type for event in batch.events] == ["brand_new"]  # type: ignore[union-attr]


def test_numbers_that_no_enum_knows_are_no_known_value() -> None:
    message = mparticle.Batch()
    message.MergeFromString(b"\x10\x63")  # environment = 99, of a newer sender

    assert read(message).data.environment == "99"


def test_absent_scalars_are_none_and_zeros_are_kept() -> None:
    product = mparticle.Product(price=0, quantity=None)
    action = mparticle.ProductAction(products=[product])
    event = read_event(
        mparticle.Event(
            common=mparticle.EventInfo(timestamp_unixtime_ms=0),
            commerce_event=mparticle.CommerceEvent(product_action=action),
        )
    )

    assert event.data is not None
    assert event.data.timestamp_unixtime_ms == 0
    assert event.data.event_id is None
    assert event.data.product_action is not None
    products = event.data.product_action.products
    assert products
    (read_product,) = products
    assert read_product is not None
    assert (read_product.price, read_product.quantity) == (0, None)


def test_false_is_kept() -> None:
    batch = read(
        mparticle.Batch(
            source_info=mparticle.SourceInfo(is_historical=False),
            consent_state=mparticle.ConsentState(
                gdpr={"ads": mparticle.Consent(consented=False)},
                ccpa=mparticle.CcpaConsentState(data_sale_opt_out=mparticle.Consent()),
            ),
        )
    )

    assert batch.data.source_info is not None
    assert batch.data.source_info.is_historical is False
    state = batch.data.consent_state
    assert state is not None
    assert isinstance(state.gdpr, dict)
    assert state.gdpr["ads"] is not None
    assert state.gdpr["ads"].consented is False
    assert state.ccpa is not None
    assert state.ccpa.data_sale_opt_out is not None
    assert state.ccpa.data_sale_opt_out.consented is None


def test_attributes_of_every_kind_are_read_as_json_would_have_them() -> None:
    value = mparticle.AttributeValue
    given = {
        "text": value(string_value=""),
        "int": value(int_value=2**63 - 1),
        "double": value(double_value=1.0),
        "bool": value(bool_value=False),
        "null": value(null_value=True),
        "none": value(),
        "list": value(
            list_value=mparticle.AttributeList(values=[value(int_value=1), value()])
        ),
        "map": value(
            map_value=mparticle.AttributeMap(values={"k": value(string_value="v")})
        ),
    }
    event = read_event(
        mparticle.Event(common=mparticle.EventInfo(custom_attributes=given))
    )

    assert event.data is not None
    assert event.data.custom_attributes == {
        "text": "",
        "int": 2**63 - 1,
        "double": 1.0,
        "bool": False,
        "null": None,
        "none": None,
        "list": [1, None],
        "map": {"k": "v"},
    }


@pytest.mark.parametrize(
    "case", list(mparticle.Event.DESCRIPTOR.oneofs_by_name["data"].fields)
)
def test_every_kind_of_event_is_read_with_its_common_part(case: Any) -> None:
    message = mparticle.Event(common=mparticle.EventInfo(event_num=7))
    getattr(message, case.name).SetInParent()
    event = read_event(message)

    assert event.event_type == case.name
    assert event.data is not None
    assert event.data.event_num == 7


def test_no_batches_and_empty_ones() -> None:
    assert read_proto([]) == []
    assert read(mparticle.Batch()).events == []
    outcomes = Transformer(connection()).transform(
        read_proto([mparticle.Batch(events=[mparticle.Event()])])
    )

    assert [outcome.drop.reason.name for outcome in outcomes if outcome.drop] == [
        "UNSUPPORTED_EVENT"
    ]
