"""The shape of the messages: vendor names, presence, enum spellings, no secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto

import tokferry.mparticle.v1 as mparticle
import tokferry.tiktok.v1 as tiktok
from tokferry import v1

# Published at https://docs.mparticle.com/developers/apis/json-reference/ and in the
# schema of the Events API.
EVENT_TYPES = """
session_start session_end screen_view custom_event crash_report opt_out first_run
pre_attribution push_registration application_state_transition push_message
network_performance breadcrumb profile push_reaction commerce_event
user_attribute_change user_identity_change uninstall validation_result unknown
"""
IDENTITY_TYPES = """
other customer_id facebook twitter google microsoft yahoo email alias
facebook_custom_audience_id other_id_2 other_id_3 other_id_4 other_id_5 other_id_6
other_id_7 other_id_8 other_id_9 other_id_10 mobile_number phone_number_2
phone_number_3
"""
PRODUCT_ACTIONS = """
add_to_cart remove_from_cart checkout checkout_option click view_detail purchase refund
add_to_wishlist remove_from_wish_list unknown
"""
DROP_REASONS = """
malformed_event environment historical unsupported_event unsupported_for_source
consent_refused ccpa_opt_out missing_timestamp invalid_timestamp no_identity
missing_page_url invalid_page_url missing_ip missing_user_agent missing_app_id
missing_lead_id missing_required_property no_stable_event_id too_old
"""
WARNING_CODES = """
ip_not_public missing_ip missing_user_agent email_invalid phone_invalid
phone_without_country external_id_empty click_id_invalid referrer_invalid
url_holds_email currency_unknown value_without_currency number_invalid
quantity_not_integer content_id_missing locale_invalid att_status_unknown event_id_lossy
event_id_replaced timestamp_from_batch event_name_retiring limited_data_use_set
"""


def messages(package: Any) -> Iterator[Descriptor]:
    for name in package.__all__:
        descriptor = getattr(package, name).DESCRIPTOR
        if isinstance(descriptor, Descriptor):
            yield descriptor


def fields(package: Any) -> Iterator[FieldDescriptor]:
    for message in messages(package):
        yield from message.fields


def event_data() -> dict[str, Descriptor]:
    """Give the message of each member of the oneof `data`."""
    members = mparticle.Event.DESCRIPTOR.oneofs_by_name["data"].fields
    return {m.name: m.message_type for m in members if m.message_type is not None}


def spellings(enum: EnumDescriptor) -> list[str]:
    prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum.name).upper() + "_"
    assert all(value.name.startswith(prefix) for value in enum.values)
    assert enum.values_by_number[0].name == f"{prefix}UNSPECIFIED"
    return [v.name.removeprefix(prefix).lower() for v in enum.values if v.number]


@pytest.mark.parametrize(
    ("enum", "published"),
    [
        (mparticle.EventType, EVENT_TYPES),
        (mparticle.IdentityType, IDENTITY_TYPES),
        (mparticle.ProductActionType, PRODUCT_ACTIONS),
        (mparticle.PromotionActionType, "view click unknown"),
        (mparticle.Environment, "development production unknown"),
        (
            mparticle.AttAuthorizationStatus,
            "authorized denied not_determined restricted",
        ),
        (v1.DropReason, DROP_REASONS),
        (v1.WarningCode, WARNING_CODES),
        (
            v1.Outcome,
            "delivered accepted dropped rejected retryable unknown validated",
        ),
        (v1.EventSource, "web app offline crm"),
        (v1.WireFormat, "events_2 events_1"),
        (v1.ContentType, "product product_group"),
        (v1.NativeEvents, "commerce extended"),
        (v1.EventNames, "mparticle current"),
        (v1.IpAndUserAgent, "required optional"),
        (v1.ExternalIdCase, "as_given lower"),
        (v1.CcpaOptOut, "limited_data_use drop ignore"),
        (v1.Historical, "drop send"),
    ],
    ids=lambda value: value.DESCRIPTOR.name if hasattr(value, "DESCRIPTOR") else "",
)
def test_enum_values_are_the_published_spellings(enum: Any, published: str) -> None:
    assert sorted(spellings(enum.DESCRIPTOR)) == sorted(published.split())


def test_drop_reasons_stand_in_the_order_in_which_they_are_looked_for() -> None:
    assert spellings(v1.DropReason.DESCRIPTOR) == DROP_REASONS.split()


@pytest.mark.parametrize("package", [mparticle, tiktok], ids=["mparticle", "tiktok"])
def test_every_scalar_tells_absent_from_empty(package: Any) -> None:
    found = [
        field.full_name
        for field in fields(package)
        if not field.is_repeated and not field.has_presence
    ]

    assert found == []


def test_unrecognised_spellings_have_a_place_beside_every_enum() -> None:
    missing = [
        field.full_name
        for field in fields(mparticle)
        if field.enum_type is not None
        and field.containing_type is not None
        and f"unrecognized_{field.name}" not in field.containing_type.fields_by_name
    ]

    assert missing == []


def test_each_event_type_has_data_of_its_own() -> None:
    data = event_data()

    assert set(data) == set(EVENT_TYPES.split()) - {"unknown"}
    assert len({message.name for message in data.values()}) == len(data)


def test_common_and_own_data_flatten_into_one_namespace() -> None:
    common = set(mparticle.EventInfo.DESCRIPTOR.fields_by_name)

    for name, message in event_data().items():
        assert not common & set(message.fields_by_name), name


@pytest.mark.parametrize("package", [mparticle, tiktok, v1])
def test_no_message_loses_large_integers_in_a_generic_value(package: Any) -> None:
    generic = {"Struct", "Value", "ListValue", "Any"}
    found = [
        field.full_name
        for field in fields(package)
        if field.message_type is not None and field.message_type.name in generic
    ]

    assert found == []


def test_large_ids_survive_the_wire() -> None:
    event = mparticle.Event(
        common=mparticle.EventInfo(
            event_id=-9143093801278538123,
            custom_attributes={
                "order": mparticle.AttributeValue(int_value=2**63 - 1),
            },
        )
    )

    copy = mparticle.Event.FromString(event.SerializeToString())

    assert copy.common.event_id == -9143093801278538123
    assert copy.common.custom_attributes["order"].int_value == 2**63 - 1


def test_settings_have_no_place_for_an_access_token() -> None:
    settings = DescriptorProto()
    v1.ConnectionSettings.DESCRIPTOR.CopyToProto(settings)

    assert "access_token" in settings.reserved_name
    assert {f.full_name for f in fields(v1) if "token" in f.name} == {
        "tokferry.v1.DescribeConnectionResponse.has_access_token",
        "tokferry.v1.ConnectionStatus.has_access_token",
        "tokferry.v1.ListDeadLettersRequest.page_token",
        "tokferry.v1.ListDeadLettersResponse.next_page_token",
    }


def test_a_custom_mapping_reads_as_in_the_settings_file() -> None:
    mapping = json_format.ParseDict(
        {
            "name": "trial started",
            "match": {"event_name": "Trial Started"},
            "event": "Subscribe",
            "fields": {
                "value": {
                    "from": "event.custom_attributes['plan price']",
                    "required": True,
                },
                "currency": {"value": {"string_value": "USD"}},
            },
        },
        v1.CustomMapping(),
    )

    path = mapping.fields["value"].from_path
    assert path == "event.custom_attributes['plan price']"
