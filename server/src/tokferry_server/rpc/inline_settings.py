"""Reads settings that a Transform call brings itself, by the settings file's rules."""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from tokferry.v1 import ConnectionSettings, ErrorReason, Literal, TextList
from tokferry_server.mapping.connection import Connection
from tokferry_server.rpc.errors import Violation, invalid
from tokferry_server.settings import SettingsError, connection_from_mapping

_NAME = "inline"
_OTHER_KEYS = {"from_path": "from"}
_AGE = "max_event_age"  # the one duration that settings write as text, "28d"


def read_settings(message: ConnectionSettings) -> Connection:
    """Give the connection that the message describes.

    Raises:
        CallError: INVALID_ARGUMENT with every problem, by its path in the message.
    """
    try:
        return connection_from_mapping(_plain(message), _NAME).mapping
    except SettingsError as error:
        raise invalid(
            ErrorReason.ERROR_REASON_INVALID_SETTINGS,
            [
                Violation(f"settings.{problem.key}", problem.description)
                for problem in error.problems
            ],
        ) from None


def _plain(message: Message) -> dict[str, Any]:
    """Give the message as the settings file would have it; absent stays absent."""
    return {
        _OTHER_KEYS.get(field.name, field.name): (
            f"{_seconds(value):f}s" if field.name == _AGE else _value(field, value)
        )
        for field, value in message.ListFields()
    }


def _value(field: FieldDescriptor, value: Any) -> Any:
    if field.enum_type is not None:
        return _spelling(field, value)
    if field.message_type is None:
        return list(value) if field.is_repeated else value
    if field.message_type.GetOptions().map_entry:
        return {key: _message(value[key]) for key in value}
    if field.is_repeated:
        return [_message(item) for item in value]
    return _message(value)


def _message(value: Any) -> Any:
    if isinstance(value, Duration):
        return _seconds(value)
    if isinstance(value, Literal):
        case = value.WhichOneof("value")
        return None if case is None else getattr(value, case)
    if isinstance(value, TextList):
        return list(value.values)
    return _plain(value) if isinstance(value, Message) else value


def _seconds(duration: Duration) -> float:
    return duration.ToNanoseconds() / 1_000_000_000


def _spelling(field: FieldDescriptor, number: int) -> str:
    """The settings file's spelling of an enum value, or its number if unknown."""
    enum = field.enum_type
    if enum is None or number not in enum.values_by_number:
        return str(number)
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return enum.values_by_number[number].name.removeprefix(prefix).lower()
