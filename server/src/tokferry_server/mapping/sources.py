"""Values of the mapping table that are not in the batch as such."""

from operator import attrgetter
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tokferry_server.mapping.content_hash import content_hash
from tokferry_server.mapping.paths import Getter, first_of
from tokferry_server.mapping.rules.texts import as_text
from tokferry_server.mapping.scope import Scope


def _chosen(setting: str) -> Getter:
    """Give what finds the identities of the setting's types.

    They come in the order of the types, then in that of the input.
    """
    types_of = attrgetter(f"connection.{setting}")

    def chosen(scope: Scope) -> list[tuple[str, Any]] | None:
        found = scope.identities
        pairs = [pair for one in types_of(scope) for pair in found.get(one, ())]
        return pairs or None

    return chosen


def _page_query_ttclid(scope: Scope) -> str | None:
    flags = scope.event.custom_flags
    flag = flags.get("TikTok.URL") if isinstance(flags, dict) else None
    for url in (first_of(flag), scope.event.page_url):
        if isinstance(url, str) and "ttclid=" in url:
            try:
                query = urlsplit(url).query
            except ValueError:  # a malformed host; the page URL's own rule judges it
                continue
            values = parse_qs(query).get("ttclid")
            if values:
                return values[0]
    return None


def _message_id_and_index(scope: Scope) -> str | None:
    message_id = as_text(scope.batch.message_id)
    return None if message_id is None else f"{message_id}.{scope.index}"


HELD = {
    "setting.app_id": "connection.app_id",
    "setting.content_type": "connection.content_type",
    "computed.limited_data_use": "limited_data_use",
}
"""Path → where the scope holds it as it is."""

CHOSEN = {
    "identities.email": "email_identity_types",
    "identities.phone": "phone_identity_types",
    "identities.external_id": "external_identity_types",
}
"""Path → the setting that says of which types."""

COMPUTED: dict[str, Getter] = {
    **{path: _chosen(setting) for path, setting in CHOSEN.items()},
    "page_query.ttclid": _page_query_ttclid,
    "computed.message_id_and_index": _message_id_and_index,
    "computed.content_hash": content_hash,
    **{path: attrgetter(place) for path, place in HELD.items()},
}
"""Path → how it is read."""
