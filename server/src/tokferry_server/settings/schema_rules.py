"""What settings demand of each other, as far as a JSON schema can say it."""

from collections.abc import Mapping
from typing import Any

from tokferry_server.mapping.custom.properties import VALUE_RULES, load_properties
from tokferry_server.settings.schema_kinds import Schema
from tokferry_server.tiktok.names import APP_EVENTS, RETIRING_EVENTS, STANDARD_EVENTS

_NAMED = r"[Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt]|127(?:\.[0-9]{1,3}){3}"
_LOOPBACK = rf"(?:{_NAMED}|\[::1\])"
_PERHAPS_LOOPBACK = rf"(?:{_NAMED}|\[[0-9A-Fa-f:.]+\])"
_END = r"(?:[:/]|\s*$)"
_EVENT_NAMES = sorted(STANDARD_EVENTS | APP_EVENTS | RETIRING_EVENTS)
_IDENTITIES = (
    "email_identity_types",
    "external_identity_types",
    "phone_identity_types",
)


def _is(name: str, *values: Any) -> Schema:
    return {"properties": {name: {"enum": [*values]}}, "required": [name]}


def _may(**properties: Any) -> Schema:
    return {"properties": properties}


def _either(table: str, flag: str) -> Schema:
    return {"anyOf": [{"required": [table]}, _is(flag, True)]}


def _none_of(*lists: str) -> Schema:
    empty = {name: {"maxItems": 0} for name in lists}
    return {"not": {"properties": empty, "required": [*lists]}}


_CONNECTION = (
    {
        "if": _is("event_source", "app", "offline", "crm"),
        "then": _may(
            wire_format={"const": "events_2"},
            ip_and_user_agent=False,
            user_attributes={"const": False},
        ),
        "else": _none_of(*_IDENTITIES),
    },
    {
        "if": _is("event_source", "offline"),
        "then": _none_of("email_identity_types", "phone_identity_types"),
    },
    {
        "if": _is("event_source", "offline", "crm"),
        "then": _may(limited_data_use={"const": False}),
    },
    {"if": _is("event_source", "app"), "else": _may(app_id=False)},
)
_CUSTOM_MAPPING = (
    {
        "anyOf": [
            _is("is_default", True),
            {**_may(match={"minProperties": 1}), "required": ["match"]},
        ]
    },
    {
        "if": {
            **_may(
                match={
                    "properties": {"event_type": {"not": {"const": "commerce_event"}}},
                    "required": ["event_type"],
                }
            ),
            "required": ["match"],
        },
        "then": _may(
            match=_may(
                action=False,
                product={"maxProperties": 0},
                product_attributes={"maxProperties": 0},
            ),
            per={"const": "event"},
        ),
    },
    _may(fields={"not": {"required": ["query", "search_string"]}}),
)

RULES: Mapping[str, Schema] = {
    "File": {
        "required": ["connections"],
        **_may(connections={"minProperties": 1}),
    },
    "ServerTable": {
        "anyOf": [
            _may(listen={"pattern": rf"^\s*{_PERHAPS_LOOPBACK}:"}),
            {
                "allOf": [
                    _either("tls", "allow_plaintext"),
                    _either("principals", "allow_anonymous"),
                ]
            },
        ]
    },
    "PrincipalTable": {
        "oneOf": [{"required": ["tokens"]}, {"required": ["certificate"]}]
    },
    "SecretTable": {"oneOf": [{"required": ["env"]}, {"required": ["file"]}]},
    "TikTokTable": {
        "if": _is("allow_loopback", True),
        "else": _may(base_url={"not": {"pattern": f"://{_LOOPBACK}{_END}"}}),
        **_may(
            base_url={"pattern": rf"^\s*[A-Za-z]+[Ss]:|://{_PERHAPS_LOOPBACK}{_END}"}
        ),
    },
    "ConnectionTable": {"allOf": [*_CONNECTION]},
    "CustomMappingTable": {"allOf": [*_CUSTOM_MAPPING]},
    "FieldTable": {
        "oneOf": [{"required": ["from"]}, {"required": ["value"]}],
        "not": {"required": ["value", "default"]},
    },
}
"""Model → what a table of it must also be like."""

PLACES: Mapping[str, Schema] = {
    "ConnectionTable.event_id_sources": {
        "items": {"not": {"const": "flag"}},
        "prefixItems": [True],
    },
    "CustomMappingTable.event": {
        "anyOf": [
            {"enum": _EVENT_NAMES},
            {"pattern": r"^\s*[A-Za-z][A-Za-z0-9_-]{0,49}\s*$"},
        ]
    },
    "CustomMappingTable.fields": {"propertyNames": {"enum": [*load_properties()]}},
    "FieldTable.from": {"pattern": r"^\s*(?:event|batch|product)\."},
    "CustomMappingTable.per": {"default": "event"},
    "CustomMappingTable.is_default": {"default": False},
    "FieldTable.required": {"default": False},
    "FieldTable.rule": {"pattern": rf"^\s*(?:{'|'.join(VALUE_RULES)})\s*$"},
}
"""Model and key → what the key's value must also be like."""
