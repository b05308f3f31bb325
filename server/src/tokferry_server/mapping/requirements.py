"""What an event must have to be sent, by event source; the first lack is reported."""

from tokferry_server.mapping.outcome import DropReason, WarningCode
from tokferry_server.mapping.scope import Scope
from tokferry_server.tiktok.model import App, Event, Lead, Page, User

_NOBODY = User()
_NOWHERE = Page()
_NO_APP = App()
_NO_LEAD = Lead()

_EVERY = "event_time and event_id and user and "
_PERSON = "user.email or user.phone"
MET = {
    "web": f"{_EVERY}url and user.ip and user.user_agent"
    f" and ({_PERSON} or user.external_id)",
    "app": f"{_EVERY}app and app.app_id"
    f" and ({_PERSON} or user.idfa or user.gaid or user.idfv)",
    "offline": f"{_EVERY}({_PERSON})",
    "crm": f"{_EVERY}lead and lead.lead_id",
}
"""Event source → condition by which an event surely has all: it needs no check.

Compiled mappings ask it of their locals.
"""


def check(event: Event, scope: Scope) -> None:
    """Refuse the event for everything it lacks; the scope keeps the first reason."""
    source = scope.connection.event_source
    user = event.user or _NOBODY
    if not scope.time_ms and not _refused(scope, DropReason.INVALID_TIMESTAMP):
        scope.refuse(DropReason.MISSING_TIMESTAMP, "event.timestamp_unixtime_ms")
    if not _is_known(user, source) and (source != "crm" or not _has_lead_id(event)):
        scope.refuse(DropReason.NO_IDENTITY, "batch.user_identities")
    if source == "web":
        _check_web(event.page or _NOWHERE, user, scope)
    elif source == "app" and (event.app or _NO_APP).app_id is None:
        scope.refuse(DropReason.MISSING_APP_ID, "batch.application_info.package")
    elif source == "crm" and not _has_lead_id(event):
        scope.refuse(DropReason.MISSING_LEAD_ID, "event.custom_flags['TikTok.LeadId']")
    if event.event_id is None:
        scope.refuse(DropReason.NO_STABLE_EVENT_ID, "event.source_message_id")


def _is_known(user: User, source: str) -> bool:
    """Whether the event source can match the user."""
    if user.email is not None or user.phone is not None:
        return True
    if source in ("web", "crm"):
        return user.external_id is not None
    return source == "app" and (
        user.idfa is not None or user.gaid is not None or user.idfv is not None
    )


def _has_lead_id(event: Event) -> bool:
    return (event.lead or _NO_LEAD).lead_id is not None


def _refused(scope: Scope, reason: DropReason) -> bool:
    """Whether a value is there but wrong, so that it does not count as missing."""
    return scope.drop is not None and scope.drop.reason is reason


def _check_web(page: Page, user: User, scope: Scope) -> None:
    if page.url is None and not _refused(scope, DropReason.INVALID_PAGE_URL):
        scope.refuse(DropReason.MISSING_PAGE_URL, "event.custom_flags['TikTok.URL']")
    if user.ip is None:
        path = "batch.ip"
        _lacks(DropReason.MISSING_IP, WarningCode.MISSING_IP, path, scope)
    if user.user_agent is None:
        path = "batch.device_info.http_header_user_agent"
        _lacks(
            DropReason.MISSING_USER_AGENT, WarningCode.MISSING_USER_AGENT, path, scope
        )


def _lacks(reason: DropReason, code: WarningCode, path: str, scope: Scope) -> None:
    """Refuse the event, or only warn, as the setting says."""
    if scope.connection.ip_and_user_agent == "required":
        scope.refuse(reason, path)
    else:
        scope.warn(code, path)
