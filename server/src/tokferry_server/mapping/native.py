"""Which TikTok event an mParticle event becomes by itself, without a custom mapping."""

from collections.abc import Mapping

from tokferry_server.mapping.rules.texts import as_text
from tokferry_server.mparticle.model import EventData

RETIRING = frozenset({"PlaceAnOrder", "ClickButton"})
"""TikTok removes these in 2027:
https://ads.tiktok.com/help/article/how-to-adopt-tiktoks-updated-standard-events"""


def native_event(
    event_type: str, event: EventData, commerce_names: Mapping[str, str]
) -> str | None:
    """Give TikTok's event name, or ``None`` if the event is not one that is sent.

    ``commerce_names`` is mParticle's product action → TikTok's name.
    """
    if event_type != "commerce_event" or event.product_action is None:
        return None
    action = as_text(event.product_action.action)
    return commerce_names.get(action.lower()) if action else None
