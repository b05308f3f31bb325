"""``[connections.NAME]`` as a model: keys, types, and checks of one value.

Members without a value in the file stay unset: defaults are those of the dataclasses.
"""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from tokferry_server.settings.custom_mapping_table import CustomMappingTable
from tokferry_server.settings.table import Distinct, NotEmpty, SecretPlace, Table
from tokferry_server.settings.values import (
    Count,
    Duration,
    Environment,
    IdentityType,
    Name,
    Positive,
    Region,
    Text,
    Visible,
    names_of,
    one_of,
    refuse,
)

_SOURCES_OF_LIMITED_DATA_USE = ("web", "app")
_IdentityTypes = Annotated[list[IdentityType], Distinct]


class TimeoutsTable(Table):
    """``[connections.NAME.timeouts]``, in seconds."""

    connect: Positive = 0
    write: Positive = 0
    read: Positive = 0
    attempt: Positive = 0


class ConsentTable(Table):
    """``[connections.NAME.consent]``."""

    gdpr_purposes: Annotated[list[Text], Distinct] = Field(default=[])
    ccpa_opt_out: Annotated[str, one_of(*names_of("ccpa_opt_out"))] = ""


class ConnectionTable(Table):
    """``[connections.NAME]``. ``event_source`` is first: other checks look at it."""

    event_source: Annotated[str, one_of(*names_of("event_source"))] = "web"
    pixel_id: Visible
    access_token: SecretPlace | None = None
    email_identity_types: _IdentityTypes = Field(default=["email"])
    external_identity_types: _IdentityTypes = Field(default=["customer_id"])
    phone_identity_types: _IdentityTypes = Field(
        default=["mobile_number"], validate_default=True
    )
    content_type: Annotated[str, one_of(*names_of("content_type"))] = ""
    native_events: Annotated[str, one_of(*names_of("native_events"))] = ""
    event_names: Annotated[str, one_of(*names_of("event_names"))] = ""
    wire_format: Annotated[str, one_of(*names_of("wire_format"))] = ""
    ip_and_user_agent: Annotated[str, one_of(*names_of("ip_and_user_agent"))] = ""
    default_region: Region | None = None
    external_id_case: Annotated[str, one_of(*names_of("external_id_case"))] = ""
    user_attributes: bool = False
    derive_value: bool = False
    consent: ConsentTable = ConsentTable()
    limited_data_use: bool = False
    environments: Annotated[list[Environment], NotEmpty, Distinct] = Field(default=[])
    historical: Annotated[str, one_of(*names_of("historical"))] = ""
    test_event_code: Visible | None = None
    max_event_age: Duration | None = None
    event_id_sources: Annotated[
        list[Annotated[str, one_of(*names_of("event_id_sources"))]],
        NotEmpty,
        Distinct,
    ] = Field(default=[])
    app_id: Visible | None = None
    app: Name | None = None
    rate: Positive | None = None
    concurrency: Count = 1
    timeouts: TimeoutsTable = TimeoutsTable()
    custom_mappings: list[CustomMappingTable] = Field(default=[])

    @field_validator("phone_identity_types")
    @classmethod
    def _some_identity(cls, phones: list[str], info: ValidationInfo) -> list[str]:
        """App events also have device ids, CRM events a lead id."""
        members = {
            "web": ("email_identity_types", "external_identity_types"),
            "offline": ("email_identity_types",),
        }.get(info.data.get("event_source", ""))
        if members and not phones and not any(info.data.get(m, 1) for m in members):
            raise refuse(
                "no identity type is left to send: "
                f"{info.data['event_source']} events need one"
            )
        return phones

    @field_validator("wire_format", "ip_and_user_agent")
    @classmethod
    def _web_only(cls, value: str, info: ValidationInfo) -> str:
        web = info.data.get("event_source", "web") == "web"
        if not web and value != "events_2":
            raise refuse('holds only for event_source = "web"')
        return value

    @field_validator("user_attributes")
    @classmethod
    def _attributes_for_web(cls, value: bool, info: ValidationInfo) -> bool:
        """Only web events have names and an address.

        https://business-api.tiktok.com/portal/docs?id=1771101303285761
        """
        if value and info.data.get("event_source", "web") != "web":
            raise refuse('holds only for event_source = "web"')
        return value

    @field_validator("limited_data_use")
    @classmethod
    def _flag_known(cls, value: bool, info: ValidationInfo) -> bool:
        source = info.data.get("event_source", "web")
        if value and source not in _SOURCES_OF_LIMITED_DATA_USE:
            raise refuse(f"{source} events have no such flag")
        return value

    @field_validator("app_id")
    @classmethod
    def _app_only(cls, value: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("event_source", "app") != "app":
            raise refuse('holds only for event_source = "app"')
        return value

    @field_validator("event_id_sources")
    @classmethod
    def _flag_first(cls, names: list[str]) -> list[str]:
        """The custom flag TikTok.EventId goes before all others, named or not."""
        if "flag" in names[1:]:
            raise refuse('"flag" comes first: the custom flag goes before all others')
        return names if names[:1] == ["flag"] else ["flag", *names]
