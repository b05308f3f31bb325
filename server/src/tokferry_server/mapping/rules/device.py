"""Rules for app events: advertising ids by platform, and Apple's tracking status.

https://business-api.tiktok.com/portal/docs?id=1771101303285761
"""

from typing import Any

from tokferry_server.mapping.consent import as_truth
from tokferry_server.mapping.outcome import WarningCode
from tokferry_server.mapping.rules.texts import as_text
from tokferry_server.mapping.scope import Scope
from tokferry_server.tiktok.names import ATT_STATUSES

APPLE = ("ios", "tvos")
GOOGLE = ("android",)
"""Platforms in lower case, whose ids these are."""


def idfa(value: Any, scope: Scope) -> str | None:
    """Apple's advertising id in upper case, unless the user limits ad tracking."""
    given = as_text(value)
    if given is None or not _is_on(scope, APPLE) or _limits_tracking(scope):
        return None
    return given.upper()


def idfv(value: Any, scope: Scope) -> str | None:
    """Apple's vendor id as given."""
    return as_text(value) if _is_on(scope, APPLE) else None


def gaid(value: Any, scope: Scope) -> str | None:
    """Google's advertising id in lower case, unless the user limits ad tracking."""
    given = as_text(value)
    if given is None or not _is_on(scope, GOOGLE) or _limits_tracking(scope):
        return None
    return given.lower()


def att_status(value: Any, scope: Scope) -> str | None:
    """Apple's tracking status in TikTok's spelling."""
    given = as_text(value)
    if given is None or not _is_on(scope, APPLE):
        return None
    status = given.upper()
    if status not in ATT_STATUSES:
        scope.warn(WarningCode.ATT_STATUS_UNKNOWN)
        return None
    return status


def _is_on(scope: Scope, platforms: tuple[str, ...]) -> bool:
    """Whether the batch comes from such a platform; an unnamed one fits them all."""
    device = scope.batch.device_info
    platform = as_text(device.platform) if device is not None else None
    return platform is None or platform.lower() in platforms


def _limits_tracking(scope: Scope) -> bool:
    """Whether tracking is limited; a value that cannot be read counts as a yes."""
    device = scope.batch.device_info
    if device is None or device.limit_ad_tracking in (None, ""):
        return False
    return as_truth(device.limit_ad_tracking) is not False
