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
from tokferry_server.mapping.outcome import Drop, MappedEvent, MappingWarning, Outcome
from tokferry_server.tiktok.events_1 import to_legacy
from tokferry_server.tiktok.model import Event
from tokferry_server.tiktok.wire import WireFormat

_MATCH_KEYS = {
    "email": MatchKey.MATCH_KEY_EMAIL,
    "phone": MatchKey.MATCH_KEY_PHONE,
    "external_id": MatchKey.MATCH_KEY_EXTERNAL_ID,
    "ttclid": MatchKey.MATCH_KEY_TTCLID,
    "ttp": MatchKey.MATCH_KEY_TTP,
    "ip": MatchKey.MATCH_KEY_IP,
    "user_agent": MatchKey.MATCH_KEY_USER_AGENT,
    "idfa": MatchKey.MATCH_KEY_IDFA,
    "idfv": MatchKey.MATCH_KEY_IDFV,
    "gaid": MatchKey.MATCH_KEY_GAID,
    "last_name": MatchKey.MATCH_KEY_NAME,
    "zip_code": MatchKey.MATCH_KEY_ADDRESS,
}
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


def match_keys(event: Event) -> list["MatchKey.ValueType"]:
    """Give the keys by which TikTok can match the event to a user."""
    keys = [
        key
        for member, key in _MATCH_KEYS.items()
        if event.user is not None and getattr(event.user, member) is not None
    ]
    if event.lead is not None and event.lead.lead_id is not None:
        keys.append(MatchKey.MATCH_KEY_LEAD_ID)
    return keys


def write_coverage(outcomes: Iterable[Outcome]) -> IdentifierCoverage:
    """Count, over all mapped events, how many carry each match key."""
    events, counts = 0, dict.fromkeys(MatchKey.values(), 0)
    for outcome in outcomes:
        for mapped in outcome.events:
            events += 1
            for key in match_keys(mapped.event):
                counts[key] += 1
    return IdentifierCoverage(
        events=events,
        keys=[
            KeyCoverage(key=key, events=count) for key, count in counts.items() if key
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
        coverage=match_keys(mapped.event),
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
