"""The wire formats by name."""

from tokferry_server.tiktok.events_1 import EVENTS_1
from tokferry_server.tiktok.events_2 import EVENTS_2
from tokferry_server.tiktok.wire import WireFormat, WireName

_FORMATS = {wire.name: wire for wire in (EVENTS_2, EVENTS_1)}


def wire_format(name: WireName) -> WireFormat:
    """Give the wire format of that name."""
    return _FORMATS[name]
