"""SYNC delivery: posts events to TikTok and gives the result of each one."""

import asyncio
import random as randomness
import time
from collections.abc import Awaitable, Callable, Sequence
from operator import attrgetter

from tokferry_server.delivery.caps import RequestCaps
from tokferry_server.delivery.group import Group, Item, Parcel, group
from tokferry_server.delivery.poster import (
    Poster,
    TokenSource,
    check_token,
    token_of_now,
)
from tokferry_server.delivery.result import DeliveryResult
from tokferry_server.delivery.shipment import Shipment, Time
from tokferry_server.tiktok.answer import Answer


class Forwarder:
    """Forwards events over a transport and remembers how much TikTok takes at once."""

    def __init__(
        self,
        transport: Poster,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = randomness.random,
    ) -> None:
        self._transport = transport
        self._time = Time(clock=clock, sleep=sleep, random=random)
        self._caps = RequestCaps(clock)

    async def forward(
        self,
        parcels: Sequence[Parcel],
        token: TokenSource,
        *,
        key: str,
        deadline: float | None,
    ) -> list[DeliveryResult]:
        """Deliver events and give their results, in the order of ``parcels``.

        ``key`` names the connection. ``token`` is asked for each request, for it may
        be replaced meanwhile; if there is none then, the last one goes on being used.
        ``deadline`` is on the forwarder's clock, in seconds: no result comes later,
        that of a request still under way is UNKNOWN.

        Raises:
            ValueError: the token is not visible ASCII; else what ``token`` raises.
        """
        known = _Token(token)
        groups = group(parcels, lambda route: self._caps.of(key, route))
        shipments = [self._shipment(one, known, key, deadline) for one in groups]
        if len(shipments) == 1:
            await shipments[0].run()
        else:
            async with asyncio.TaskGroup() as tasks:
                for shipment in shipments:
                    tasks.create_task(shipment.run())
        items = (item for one in groups for item in one.items)
        return [item.result for item in sorted(items, key=attrgetter("index"))]

    def _shipment(
        self, one: Group, token: "_Token", key: str, deadline: float | None
    ) -> Shipment:
        async def post(
            items: Sequence[Item], *, resend: int, patience: float | None
        ) -> Answer:
            bodies = [item.body for item in items]
            return await self._transport.post(
                one.wire.path(len(bodies)),
                token.now(),
                one.wire.encode_request(one.route, bodies),
                key=key,
                resend=resend,
                patience=patience,
            )

        return Shipment(
            group=one,
            post=post,
            time=self._time,
            deadline=deadline,
            cap=lambda: self._caps.of(key, one.route),
            lower_cap=lambda most: self._caps.lower(key, one.route, most),
        )


class _Token:
    """The token of one call.

    Raises:
        ValueError: it is not visible ASCII; else what its source raises.
    """

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._last = source()
        check_token(self._last)

    def now(self) -> str:
        self._last = token_of_now(self._source) or self._last
        return self._last
