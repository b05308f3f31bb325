"""Identity types, under every spelling that mParticle's SDKs and feeds use.

https://docs.mparticle.com/schema/mparticle.inbound.eventsapi.schema.json
"""

from collections.abc import Iterator
from typing import Any

from tokferry_server.mparticle.model import BatchData

IDENTITY_TYPES = (
    "other",
    "customer_id",
    "facebook",
    "twitter",
    "google",
    "microsoft",
    "yahoo",
    "email",
    "alias",
    "facebook_custom_audience_id",
    *(f"other_id_{number}" for number in range(2, 11)),
    "mobile_number",
    "phone_number_2",
    "phone_number_3",
)
"""The canonical names, in the schema's order."""

SPELLINGS: dict[str, str] = {
    **{name: name for name in IDENTITY_TYPES},
    **{f"other{number}": f"other_id_{number}" for number in range(2, 11)},
    "customerid": "customer_id",
    "customer": "customer_id",
    "facebookcustomaudienceid": "facebook_custom_audience_id",
}
"""Lower-case spelling → canonical name."""


def identities(batch: BatchData) -> Iterator[tuple[str, Any]]:
    """Yield (canonical type, value) of a batch's identities, in input order.

    Takes both dialects: an object keyed by type, or an array of
    ``{identity_type, identity}``. Unknown types are passed over.
    """
    given = batch.user_identities
    pairs: Iterator[tuple[Any, Any]]
    if isinstance(given, dict):
        pairs = iter(given.items())
    else:
        pairs = (
            (entry.get("identity_type"), entry.get("identity"))
            for entry in given or ()
            if isinstance(entry, dict)
        )
    for spelling, value in pairs:
        if isinstance(spelling, str):
            name = SPELLINGS.get(spelling) or SPELLINGS.get(spelling.strip().lower())
            if name is not None:
                yield name, value
