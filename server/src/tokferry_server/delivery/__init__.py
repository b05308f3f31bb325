"""Delivery to TikTok: posts finished events and says what became of each one."""

from tokferry_server.delivery.forward import Forwarder
from tokferry_server.delivery.group import Parcel
from tokferry_server.delivery.poster import Poster, Timeouts
from tokferry_server.delivery.result import DeliveryResult
from tokferry_server.delivery.transport import Transport
from tokferry_server.tiktok.reasons import DeliveryReason, Outcome

__all__ = [
    "DeliveryReason",
    "DeliveryResult",
    "Forwarder",
    "Outcome",
    "Parcel",
    "Poster",
    "Timeouts",
    "Transport",
]
