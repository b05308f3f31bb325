"""Describes a connection: its settings without secrets, and the mapping in force."""

from importlib.metadata import version
from typing import Any

from google.protobuf.duration_pb2 import Duration

from tokferry.v1 import (
    CcpaOptOut,
    ConsentSettings,
    DescribeConnectionResponse,
    EventRow,
    EventSource,
    MappingRow,
    Timeouts,
)
from tokferry.v1 import (
    ConnectionSettings as SettingsMessage,
)
from tokferry.v1 import NativeEvents as NativeEventsValue
from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.native import NativeEvents
from tokferry_server.mapping.table import load_fields
from tokferry_server.settings import ConnectionSettings

_TEXTS = ("pixel_id", "default_region", "test_event_code", "app_id")
_SWITCHES = ("user_attributes", "derive_value", "limited_data_use")
_CHOICES = (
    "event_source",
    "content_type",
    "native_events",
    "event_names",
    "wire_format",
    "ip_and_user_agent",
    "external_id_case",
    "historical",
)
_LISTS = (
    "email_identity_types",
    "external_identity_types",
    "phone_identity_types",
    "environments",
    "event_id_sources",
)


def describe(
    settings: ConnectionSettings, *, has_access_token: bool
) -> DescribeConnectionResponse:
    """Write what a connection does, from the tables that do it."""
    return DescribeConnectionResponse(
        settings=write_settings(settings),
        has_access_token=has_access_token,
        rows=_rows(settings.mapping),
        events=_events(settings.mapping),
        version=version("tokferry-server"),
    )


def write_settings(settings: ConnectionSettings) -> SettingsMessage:
    """Write the effective settings; the message has no place for a token."""
    mapping = settings.mapping
    members: dict[str, Any] = {
        name: getattr(mapping, name) for name in (*_TEXTS, *_SWITCHES, *_LISTS)
    }
    for name in _CHOICES:
        members[name] = _enum_value(name, getattr(mapping, name))
    message = SettingsMessage(
        **members,
        consent=ConsentSettings(
            gdpr_purposes=mapping.gdpr_purposes,
            ccpa_opt_out=CcpaOptOut.Value(
                f"CCPA_OPT_OUT_{mapping.ccpa_opt_out.upper()}"
            ),
        ),
        app=settings.app,
        rate=settings.rate,
        concurrency=settings.concurrency,
        timeouts=Timeouts(
            connect=_duration(settings.timeouts.connect),
            write=_duration(settings.timeouts.write),
            read=_duration(settings.timeouts.read),
            attempt=_duration(settings.timeouts.attempt),
        ),
    )
    if mapping.max_event_age_seconds is not None:
        message.max_event_age.CopyFrom(_duration(mapping.max_event_age_seconds))
    return message


def _rows(connection: Connection) -> list[MappingRow]:
    return [
        MappingRow(
            mparticle_field=row.mparticle,
            tiktok_field=row.tiktok,
            legacy_field=row.legacy,
            rule=row.rule,
            sources=[
                EventSource.Value(f"EVENT_SOURCE_{source.upper()}")
                for source in row.sources
            ],
        )
        for row in load_fields().all
        if connection.event_source in row.sources
    ]


def _events(connection: Connection) -> list[EventRow]:
    native = NativeEvents(connection)
    commerce = {f"commerce_event {name}": to for name, to in native.commerce.items()}
    return [
        EventRow(
            mparticle_event=given,
            tiktok_event=name,
            native_events=NativeEventsValue.Value(
                f"NATIVE_EVENTS_{connection.native_events.upper()}"
            ),
        )
        for given, name in {**commerce, **native.extended}.items()
        if name
    ]


def _enum_value(name: str, value: str) -> str:
    return f"{name.upper()}_{value.upper()}"


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1_000_000_000))
    return duration
