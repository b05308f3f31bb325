"""Which fields a connection reads: those of its rows and mappings, and a fixed few."""

import msgspec
import pytest

from strategies.cases import connection
from tokferry.mparticle import v1 as mparticle
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mapping.wanted import ALWAYS
from tokferry_server.mparticle import model
from tokferry_server.mparticle.model import Batch, Event, PartOfEvent
from tokferry_server.mparticle.read_proto import read_proto


@pytest.mark.parametrize("name", sorted(ALWAYS))
def test_what_is_always_wanted_is_in_the_model(name: str) -> None:
    struct, _, field = name.partition(".")

    assert field in vars(model)[struct].__struct_fields__


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


def test_typed_events_are_read_so_far_and_whole_when_asked() -> None:
    message = mparticle.Batch()
    event = message.events.add()
    event.custom_event.event_name = "Viewed"
    event.common.session_uuid = "5A3F"
    event.common.custom_attributes["k"].string_value = "v"

    (batch,) = read_proto([message], {"EventData.event_name"})

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
