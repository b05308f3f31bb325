"""Which events share a request: same route, within TikTok's limits, no request more
than needed.
"""  # noqa: D205  one sentence

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from tokferry_server.delivery.result import NOT_SENT, DeliveryResult
from tokferry_server.tiktok.events_1 import EVENTS_1
from tokferry_server.tiktok.events_2 import EVENTS_2
from tokferry_server.tiktok.wire import MAX_REQUEST_BYTES, Route, WireFormat

WIRE_FORMATS: Final[dict[str, WireFormat]] = {
    wire.name: wire for wire in (EVENTS_2, EVENTS_1)
}


class Parcel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One TikTok event to deliver: ``body`` is its finished JSON.

    ``time_ms`` is when it happened, in Unix milliseconds. A struct, because one is made
    for each event: a frozen dataclass takes ten times as long.
    """

    route: Route
    event: str
    event_id: str
    body: bytes
    time_ms: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Item:
    """One event on its way; ``index`` is its place in the caller's list.

    ``doubt`` is the latest result of a try that may have been taken. ``waiting``: it
    has no result yet that stands.
    """

    index: int
    body: bytes
    result: DeliveryResult = NOT_SENT
    doubt: DeliveryResult | None = None
    waiting: bool = True


@dataclass(slots=True, kw_only=True)
class Group:
    """Events for one request."""

    route: Route
    items: list[Item]

    @property
    def wire(self) -> WireFormat:
        """The layout of the request."""
        return WIRE_FORMATS[self.route.wire_format]


class Encoded(Protocol):
    """Whatever has the finished JSON of one event."""

    @property
    def body(self) -> bytes:
        """The JSON."""
        ...


One = TypeVar("One", bound=Encoded)


@dataclass(slots=True)
class _Bin(Generic[One]):
    size: int
    items: list[One] = field(default_factory=list)


def group(parcels: Iterable[Parcel], most: Callable[[Route], int]) -> list[Group]:
    """Sort events into requests; ``most`` gives the event limit of a route."""
    by_route: dict[Route, list[Item]] = {}
    for index, parcel in enumerate(parcels):
        item = Item(index=index, body=parcel.body)
        by_route.setdefault(parcel.route, []).append(item)
    return [
        Group(route=route, items=packed)
        for route, items in by_route.items()
        for packed in pack(route, items, most(route))
    ]


def pack(route: Route, items: Sequence[One], most: int) -> list[list[One]]:
    """Cut the events of one route into requests, by first fit in their order.

    Each has at most ``most`` events and MAX_REQUEST_BYTES, but for a lone event that is
    longer by itself.
    """
    empty = _frame(route)
    size = empty + len(items) + sum(len(item.body) for item in items)
    if len(items) <= most and size <= MAX_REQUEST_BYTES:
        return [list(items)] if items else []
    open_bins: list[_Bin[One]] = []
    packed: list[list[One]] = []
    for item in items:
        size = len(item.body) + 1
        chosen = next(
            (one for one in open_bins if one.size + size <= MAX_REQUEST_BYTES), None
        )
        if chosen is None:
            chosen = _Bin(empty)
            open_bins.append(chosen)
            packed.append(chosen.items)
        chosen.items.append(item)
        chosen.size += size
        if len(chosen.items) >= most:
            open_bins.remove(chosen)
    return packed


@lru_cache(maxsize=1024)
def _frame(route: Route) -> int:
    """Count the bytes of a request around its events, less one for the first comma."""
    events = (b"{}", b"{}")
    body = WIRE_FORMATS[route.wire_format].encode_request(route, events)
    return len(body) - sum(map(len, events)) - len(events)
