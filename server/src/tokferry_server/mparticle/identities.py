"""Identity types, under every spelling that mParticle's SDKs and feeds use.

https://docs.mparticle.com/schema/mparticle.inbound.eventsapi.schema.json
"""

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


Identities = dict[str, list[tuple[str, Any]]]
"""Canonical type → (this type, value) of each identity of the type, in input order."""


def identities(batch: BatchData) -> Identities:
    """Give a batch's identities by their types; unknown types are passed over.

    Takes an object keyed by type, an array of ``{identity_type, identity}``, or a tuple
    of pairs of both, as typed messages are read.
    """
    given: Any = batch.user_identities
    pairs = given
    if type(given) is not tuple:
        pairs = given.items() if isinstance(given, dict) else map(_pair, given or ())
    found: Identities = {}
    for spelling, value in pairs:
        name = SPELLINGS.get(spelling) or SPELLINGS.get(spelling.strip().lower())
        if name in found:
            found[name].append((name, value))
        elif name is not None:
            found[name] = [(name, value)]
    return found


def _pair(entry: Any) -> tuple[str, Any]:
    spelling = entry.get("identity_type") if isinstance(entry, dict) else None
    if isinstance(spelling, str):
        return spelling, entry.get("identity")
    return "", None
