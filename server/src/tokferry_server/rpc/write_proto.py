"""Writes the mapping's outcomes as messages: the counterpart of ``read_proto``."""

from collections.abc import Iterable
from typing import Any

import msgspec

from tokferry.tiktok.v1 import Event as EventMessage
from tokferry.tiktok.v1 import LegacyEvent as LegacyEventMessage
from tokferry.v1 import Drop as DropMessage
from tokferry.v1 import (
    DropReason,
    FieldOrigin,
    IdentifierCoverage,
    KeyCoverage,
    MatchKey,
    TransformedEvent,
    TransformOutcome,
    TransformResult,
    WarningCode,
)
from tokferry.v1 import Warning as WarningMessage
from tokferry_server.mapping.coverage import MATCH_KEYS, Coverage, match_keys
from tokferry_server.mapping.outcome import Drop, MappedEvent, MappingWarning, Outcome
from tokferry_server.tiktok.events_1 import to_legacy
from tokferry_server.tiktok.model import Event
from tokferry_server.tiktok.wire import WireFormat

_MATCH_KEYS = {name: MatchKey.Value(f"MATCH_KEY_{name.upper()}") for name in MATCH_KEYS}
_LISTS = ("email", "phone", "external_id")


def write_transform_result(outcome: Outcome, wire: WireFormat) -> TransformResult:
    """Write one outcome; each event with the bytes that Forward would post."""
    result = TransformResult(
        batch=outcome.batch,
        event=outcome.event,
        outcome=(
            TransformOutcome.TRANSFORM_OUTCOME_DROPPED
            if outcome.drop
            else TransformOutcome.TRANSFORM_OUTCOME_EVENTS
        ),
        events=[_transformed(mapped, wire) for mapped in outcome.events],
        warnings=write_warnings(outcome.warnings),
    )
    if outcome.drop is not None:
        result.drop.CopyFrom(write_drop(outcome.drop))
    return result


def write_drop(drop: Drop) -> DropMessage:
    """Write why nothing is sent."""
    return DropMessage(
        reason=DropReason.Value(f"DROP_REASON_{drop.reason.name}"),
        field=drop.field,
        intended=drop.reason.intended,
        message=drop.message,
    )


def write_warnings(warnings: Iterable[MappingWarning]) -> list[WarningMessage]:
    """Write what was left out or changed."""
    return [
        WarningMessage(
            code=WarningCode.Value(f"WARNING_CODE_{warning.code.name}"),
            field=warning.field,
        )
        for warning in warnings
    ]


def write_match_keys(event: Event) -> list["MatchKey.ValueType"]:
    """Write the keys by which TikTok can match the event to a user."""
    return [_MATCH_KEYS[key] for key in match_keys(event)]


def write_coverage(outcomes: Iterable[Outcome]) -> IdentifierCoverage:
    """Count, over all mapped events, how many carry each match key."""
    coverage = Coverage()
    for outcome in outcomes:
        for mapped in outcome.events:
            coverage.add(mapped.event)
    return IdentifierCoverage(
        events=coverage.events,
        keys=[
            KeyCoverage(key=value, events=coverage.keys[key])
            for key, value in _MATCH_KEYS.items()
        ],
    )


def _transformed(mapped: MappedEvent, wire: WireFormat) -> TransformedEvent:
    transformed = TransformedEvent(
        json=wire.encode_event(mapped.event, mapped.time_ms),
        origins=[
            FieldOrigin(
                tiktok_field=origin.tiktok,
                mparticle_path=origin.mparticle,
                rule=origin.rule,
            )
            for origin in mapped.origins
        ],
        coverage=write_match_keys(mapped.event),
    )
    if wire.name == "events_1":
        legacy = msgspec.to_builtins(to_legacy(mapped.event, mapped.time_ms))
        transformed.legacy_event.CopyFrom(LegacyEventMessage(**legacy))
    else:
        transformed.event.CopyFrom(EventMessage(**_event_members(mapped.event)))
    return transformed


def _event_members(event: Event) -> dict[str, Any]:
    members: dict[str, Any] = msgspec.to_builtins(event)
    user = members.get("user", {})
    for name in _LISTS:
        value = user.get(name)
        if isinstance(value, str):
            user[name] = [value]
    return members
