"""Events API 2.0: one endpoint for every source, up to 1,000 events a request.

https://business-api.tiktok.com/portal/docs?id=1771101303285761
"""

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from tokferry_server.tiktok.model import Event
from tokferry_server.tiktok.wire import Route, WireFormat

_encoder = msgspec.json.Encoder()


def encode_event(event: Event, _time_ms: int) -> bytes:
    """Give the JSON bytes of one element of ``data``."""
    return _encoder.encode(event)


def encode_request(route: Route, events: Sequence[bytes]) -> bytes:
    """Join encoded events, unchanged, into the body of one request."""
    return b'%b,"data":[%b]}' % (_head(route), b",".join(events))


@lru_cache(maxsize=1024)
def _head(route: Route) -> bytes:
    """Give what stands before the events."""
    head = {
        "event_source": route.event_source,
        "event_source_id": route.event_source_id,
    }
    if route.test_event_code is not None:
        head["test_event_code"] = route.test_event_code
    return _encoder.encode(head)[:-1]


def _path(_count: int) -> str:
    return "/open_api/v1.3/event/track/"


EVENTS_2 = WireFormat(
    name="events_2",
    max_events=1000,
    path=_path,
    encode_event=encode_event,
    encode_request=encode_request,
)
