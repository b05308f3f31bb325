"""Writes the mapping's outcomes as messages: the counterpart of ``read_proto``.

Members of messages are given, for whoever makes the outermost message of them all:
messages that are made first are copied into it.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec

from tokferry.v1 import (
    DropReason,
    FieldOrigin,
    IdentifierCoverage,
    KeyCoverage,
    MatchKey,
    TransformedEvent,
    TransformOutcome,
    TransformResponse,
    WarningCode,
)
from tokferry_server.mapping import outcome as mapping
from tokferry_server.mapping.coverage import MATCH_KEYS, Coverage, match_keys
from tokferry_server.mapping.outcome import (
    Drop,
    MappedEvent,
    MappingWarning,
    Origin,
    Outcome,
)
from tokferry_server.tiktok.events_1 import to_legacy
from tokferry_server.tiktok.model import Event
from tokferry_server.tiktok.wire import WireFormat

Members = dict[str, Any]
"""Field → value, as a message's constructor takes them; of a message, its members."""

_MATCH_KEYS = {name: MatchKey.Value(f"MATCH_KEY_{name.upper()}") for name in MATCH_KEYS}
DROP_REASONS = {
    reason: DropReason.Value(f"DROP_REASON_{reason.name}")
    for reason in mapping.DropReason
}
_WARNINGS = {
    code: WarningCode.Value(f"WARNING_CODE_{code.name}") for code in mapping.WarningCode
}
_EVENTS = TransformOutcome.TRANSFORM_OUTCOME_EVENTS
_DROPPED = TransformOutcome.TRANSFORM_OUTCOME_DROPPED
_LISTS = ("email", "phone", "external_id")


def write_transform_result(outcome: Outcome, wire: WireFormat) -> Members:
    """Write one outcome; each event with the bytes that Forward would post."""
    members: Members = {"batch": outcome.batch, "event": outcome.event}
    if outcome.warnings:
        members["warnings"] = write_warnings(outcome.warnings)
    if outcome.drop is None:
        members["outcome"] = _EVENTS
        members["events"] = [_transformed(mapped, wire) for mapped in outcome.events]
    else:
        members["outcome"] = _DROPPED
        members["drop"] = write_drop(outcome.drop)
    return members


def add_origins(response: TransformResponse, outcomes: Iterable[Outcome]) -> None:
    """Add to the written outcomes where each value comes from.

    Origins are the same in most events. As bytes, which another message parses into
    its own, each is written once.
    """
    for result, outcome in zip(response.results, outcomes, strict=True):
        for event, mapped in zip(result.events, outcome.events, strict=True):
            event.MergeFromString(b"".join(map(_origin, mapped.origins)))


@lru_cache(maxsize=4096)
def _origin(origin: Origin) -> bytes:
    """Give a transformed event of which only this origin is known."""
    written = FieldOrigin(
        tiktok_field=origin.tiktok,
        mparticle_path=origin.mparticle,
        rule=origin.rule,
        mapping=origin.mapping,
    )
    return TransformedEvent(origins=[written]).SerializeToString()


def write_drop(drop: Drop) -> Members:
    """Write why nothing is sent."""
    return {
        "reason": DROP_REASONS[drop.reason],
        "field": drop.field,
        "intended": drop.reason.intended,
        "message": drop.message,
    }


def write_warnings(warnings: Iterable[MappingWarning]) -> list[Members]:
    """Write what was left out or changed."""
    return [
        {"code": _WARNINGS[warning.code], "field": warning.field}
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


def _transformed(mapped: MappedEvent, wire: WireFormat) -> Members:
    members: Members = {"json": wire.encode_event(mapped.event, mapped.time_ms)}
    if wire.name == "events_1":
        legacy = to_legacy(mapped.event, mapped.time_ms)
        members["legacy_event"] = msgspec.to_builtins(legacy)
    else:
        members["event"] = _event_members(mapped.event)
    if mapped.origins:  # it is to be explained
        members["coverage"] = write_match_keys(mapped.event)
    return members


def _event_members(event: Event) -> Members:
    members: Members = msgspec.to_builtins(event)
    user = members.get("user", {})
    for name in _LISTS:
        value = user.get(name)
        if isinstance(value, str):
            user[name] = [value]
    return members
