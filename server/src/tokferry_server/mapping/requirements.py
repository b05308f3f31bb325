"""What an event must have to be sent, by event source; the first lack is reported."""

from collections.abc import Mapping
from typing import Any

from tokferry_server.mapping.outcome import DropReason, WarningCode
from tokferry_server.mapping.scope import Scope

Groups = Mapping[str, Mapping[str, Any]]

_IDENTITIES = {
    "web": ("email", "phone", "external_id"),
    "app": ("email", "phone", "idfa", "gaid", "idfv"),
    "offline": ("email", "phone"),
    "crm": ("email", "phone", "external_id"),
}


def check(groups: Groups, scope: Scope) -> None:
    """Refuse the event for everything it lacks; the scope keeps the first reason."""
    source = scope.connection.event_source
    user = groups["user"]
    if "event_time" not in groups[""] and not _refused(
        scope, DropReason.INVALID_TIMESTAMP
    ):
        scope.refuse(DropReason.MISSING_TIMESTAMP, "event.timestamp_unixtime_ms")
    if not any(name in user for name in _IDENTITIES[source]) and not (
        source == "crm" and "lead_id" in groups["lead"]
    ):
        scope.refuse(DropReason.NO_IDENTITY, "batch.user_identities")
    if source == "web":
        _check_web(groups, scope)
    elif source == "app" and "app_id" not in groups["app"]:
        scope.refuse(DropReason.MISSING_APP_ID, "batch.application_info.package")
    elif source == "crm" and "lead_id" not in groups["lead"]:
        scope.refuse(DropReason.MISSING_LEAD_ID, "event.custom_flags['TikTok.LeadId']")
    if "event_id" not in groups[""]:
        scope.refuse(DropReason.NO_STABLE_EVENT_ID, "event.source_message_id")


def _refused(scope: Scope, reason: DropReason) -> bool:
    """Whether a value is there but wrong, so that it does not count as missing."""
    return scope.drop is not None and scope.drop.reason is reason


def _check_web(groups: Groups, scope: Scope) -> None:
    user = groups["user"]
    if "url" not in groups["page"] and not _refused(scope, DropReason.INVALID_PAGE_URL):
        scope.refuse(DropReason.MISSING_PAGE_URL, "event.custom_flags['TikTok.URL']")
    for member, path, reason, code in (
        ("ip", "batch.ip", DropReason.MISSING_IP, WarningCode.MISSING_IP),
        (
            "user_agent",
            "batch.device_info.http_header_user_agent",
            DropReason.MISSING_USER_AGENT,
            WarningCode.MISSING_USER_AGENT,
        ),
    ):
        if member in user:
            continue
        if scope.connection.ip_and_user_agent == "required":
            scope.refuse(reason, path)
        else:
            scope.warn(code, path)
