"""A wire format: how encoded events become the body of one request, and its limits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from tokferry_server.tiktok.model import Event

WireName = Literal["events_2", "events_1"]

MAX_REQUEST_BYTES = 1_000_000
"""TikTok publishes no body limit; Tealium's connector cuts at 1 MB as well."""


class Route(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True, gc=False):
    """What events must have in common to share one request.

    A struct, because much is looked up by it: it keeps its hash.
    """

    wire_format: WireName
    event_source: str
    event_source_id: str
    test_event_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WireFormat:
    """One of TikTok's two request layouts.

    ``encode_event`` takes the event and its time in Unix milliseconds and gives the
    JSON bytes of one array element. ``encode_request`` joins such elements, unchanged,
    into one body. ``path`` gives the URL path for that many events.
    """

    name: WireName
    max_events: int
    path: Callable[[int], str]
    encode_event: Callable[[Event, int], bytes]
    encode_request: Callable[[Route, Sequence[bytes]], bytes]
