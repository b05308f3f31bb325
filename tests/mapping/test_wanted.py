"""Which fields a connection reads: those of its rows and mappings, and a fixed few."""

from typing import Any, Final

import msgspec
import pytest

from strategies.cases import connection
from tokferry.mparticle import v1 as mparticle
from tokferry_server.mapping.consent import Consents
from tokferry_server.mapping.table import load_fields
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mapping.wanted import (
    ALWAYS,
    BESIDE,
    CONSENT,
    EXTENDED,
    MATCHED,
    OPT_OUT,
)
from tokferry_server.mparticle import model
from tokferry_server.mparticle.model import (
    ORIGIN,
    Batch,
    BatchData,
    Event,
    PartOfEvent,
)
from tokferry_server.mparticle.read_proto import read_proto

KINDS: Final = ("commerce_event", "custom_event", "screen_view", "session_start")
LEAD: Final[dict[str, Any]] = {"name": "m", "event": "Lead"}


class ReadNoFurther(Batch):
    """A batch that is not to be read as a whole."""

    def whole(self) -> BatchData:
        raise AssertionError("it was read as a whole")


@pytest.mark.parametrize(
    "name",
    sorted(ALWAYS.union(EXTENDED, MATCHED, ORIGIN, CONSENT, OPT_OUT, *BESIDE.values())),
)
def test_what_code_wants_by_itself_is_in_the_model(name: str) -> None:
    owner, _, field = name.partition(".")
    struct = {"custom_event": "EventData"}.get(owner, owner)

    assert field.partition("[")[0] in vars(model)[struct].__struct_fields__


@pytest.mark.parametrize("name", sorted(BESIDE))
def test_what_wants_something_beside_is_in_the_table(name: str) -> None:
    rows = load_fields().all

    assert any(name == row.rule or name in row.alternatives for row in rows)


def test_rows_want_the_fields_that_their_paths_lead_through() -> None:
    web, app = (
        Transformer(connection(event_source=one)).wanted for one in ("web", "app")
    )

    assert {"EventData.device_info", "DeviceInfo.http_header_user_agent"} <= web
    assert {"DeviceInfo.locale_language", "Product.price"} <= web & app
    assert "DeviceInfo.ios_idfv" in app - web
    assert "EventData.custom_attributes" not in web | app


@pytest.mark.parametrize(
    ("mapping", "field"),
    [
        ({"match": {"attributes": {"k": ["v"]}}}, "EventData.custom_attributes"),
        ({"match": {"product": {"variant": ["M"]}}}, "Product.variant"),
        ({"match": {"product_attributes": {"k": []}}}, "Product.custom_attributes"),
        (
            {
                "match": {"event_name": "Viewed"},
                "fields": {"description": {"from": "event.location.city_name"}},
            },
            "EventData.location",
        ),
    ],
)
def test_custom_mappings_want_what_they_name(
    mapping: dict[str, object], field: str
) -> None:
    made = connection(custom_mappings=[{"name": "m", "event": "Lead", **mapping}])

    assert field in Transformer(made).wanted - Transformer(connection()).wanted


@pytest.mark.parametrize(
    ("settings", "read"),
    [
        ({}, ["commerce_event"]),
        (
            {"native_events": "extended"},
            ["commerce_event", "custom_event", "screen_view"],
        ),
        (
            {"native_events": "extended", "event_source": "app"},
            ["commerce_event", "custom_event"],
        ),
        (
            {"custom_mappings": [LEAD | {"match": {"event_type": "session_start"}}]},
            ["commerce_event", "session_start"],
        ),
        (
            {"custom_mappings": [LEAD | {"match": {"event_name": "Viewed"}}]},
            [*KINDS],
        ),
    ],
)
def test_events_that_can_become_nothing_are_not_read(
    settings: dict[str, Any], read: list[str]
) -> None:
    message = mparticle.Batch()
    for kind in KINDS:
        getattr(message.events.add(), kind).SetInParent()

    (batch,) = read_proto([message], Transformer(connection(**settings)).wanted)

    assert isinstance(batch, Batch)
    events = [event for event in batch.events if isinstance(event, Event)]
    assert [event.event_type for event in events] == [*KINDS]
    assert [one.event_type for one in events if one.data is not None] == read


def test_of_a_batch_only_the_origin_is_read_until_the_whole_is_asked_for() -> None:
    wanted = Transformer(connection(user_attributes=True)).wanted
    development = mparticle.Environment.ENVIRONMENT_DEVELOPMENT
    message = mparticle.Batch(ip="203.0.113.7", environment=development)
    message.source_info.is_historical = True
    message.user_attributes["$City"].string_value = "Berlin"

    (batch,) = read_proto([message], wanted)

    assert isinstance(batch, Batch)
    whole = batch.whole()
    for data in (batch.data, whole):
        assert data.environment == "development"
        assert data.source_info is not None
        assert data.source_info.is_historical is True
    assert batch.data.user_attributes is None
    assert batch.data.ip is None
    assert whole.user_attributes == {"$City": "Berlin"}
    assert whole.ip == "203.0.113.7"


def test_a_batch_is_read_no_further_when_none_of_its_events_is_sent() -> None:
    transformer = Transformer(connection())
    message = mparticle.Batch(ip="203.0.113.7")
    message.events.add().session_start.SetInParent()
    removed = mparticle.ProductActionType.PRODUCT_ACTION_TYPE_REMOVE_FROM_CART
    message.events.add().commerce_event.product_action.action = removed
    (batch,) = read_proto([message], transformer.wanted)
    assert isinstance(batch, Batch)

    outcomes = [*transformer.transform([ReadNoFurther(batch.data, batch.events)])]

    assert [one.drop and one.drop.reason.name for one in outcomes] == [
        "UNSUPPORTED_EVENT",
        "UNSUPPORTED_EVENT",
    ]


def test_of_maps_only_the_entries_that_are_named_are_read() -> None:
    wanted = Transformer(connection(user_attributes=True)).wanted
    message = mparticle.Batch()
    for key in ("$firstname", "favourite"):
        message.user_attributes[key].string_value = key
    message.partner_identities["tiktok_cookie_id"] = "c"
    message.partner_identities["other"] = "o"
    event = message.events.add()
    event.commerce_event.SetInParent()
    for key in ("TikTok.Ttp", "Other"):
        event.common.custom_flags[key].string_value = key

    (batch,) = read_proto([message], wanted)

    assert isinstance(batch, Batch)
    assert batch.whole().user_attributes == {"$firstname": "$firstname"}
    assert batch.whole().partner_identities == {"tiktok_cookie_id": "c"}
    read = batch.events[0]
    assert isinstance(read, Event)
    assert read.data is not None
    assert read.data.custom_flags == {"TikTok.Ttp": "TikTok.Ttp"}


@pytest.mark.parametrize("spelling", ["Ads [all]", " ads [ALL] "])
@pytest.mark.parametrize("consented", [True, False, None])
def test_of_consents_those_to_the_purposes_asked_for_are_read(
    spelling: str, consented: bool | None
) -> None:
    made = connection(gdpr_purposes=["ads [All]"], ccpa_opt_out="ignore")
    message = mparticle.Batch()
    message.consent_state.gdpr["Analytics"].consented = True
    message.consent_state.gdpr[spelling].SetInParent()
    if consented is not None:
        message.consent_state.gdpr[spelling].consented = consented
    message.consent_state.ccpa.data_sale_opt_out.consented = True
    message.events.add().commerce_event.SetInParent()

    (batch,) = read_proto([message], Transformer(made).wanted)

    assert isinstance(batch, Batch)
    data = batch.whole()
    state = data.consent_state
    assert state is not None
    assert isinstance(state.gdpr, dict)
    assert [*state.gdpr] == [spelling]
    assert state.ccpa is None
    assert (Consents(made).refuse_user(data) is None) is (consented is True)


def test_consents_are_not_read_where_nothing_is_refused_for_them() -> None:
    made = connection(ccpa_opt_out="ignore", historical="send")
    message = mparticle.Batch()
    message.consent_state.gdpr["Analytics"].consented = True
    message.source_info.is_historical = True
    message.events.add().commerce_event.SetInParent()

    (batch,) = read_proto([message], Transformer(made).wanted)

    assert isinstance(batch, Batch)
    assert batch.whole().consent_state is None
    assert batch.whole().source_info is None


def test_typed_events_are_read_so_far_and_whole_when_asked() -> None:
    message = mparticle.Batch()
    event = message.events.add()
    event.custom_event.event_name = "Viewed"
    event.common.session_uuid = "5A3F"
    event.common.custom_attributes["k"].string_value = "v"

    (batch,) = read_proto([message], {"EventData.event_name", "Event.*"})

    assert isinstance(batch, Batch)
    read = batch.events[0]
    assert isinstance(read, Event)
    assert isinstance(read.data, PartOfEvent)
    assert read.data.event_name == "Viewed"
    assert read.data.session_uuid is None
    (all_read,) = read_proto([message])
    assert isinstance(all_read, Batch)
    assert isinstance(all_read.events[0], Event)
    assert read.data.whole() == all_read.events[0].data
    assert msgspec.structs.asdict(read.data.whole())["custom_attributes"] == {"k": "v"}
