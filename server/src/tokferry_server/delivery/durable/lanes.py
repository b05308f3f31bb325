"""The lanes of all connections: who is next, and which rows each one holds."""

from collections.abc import Mapping
from typing import Final

from tokferry_server.delivery.caps import RequestCaps
from tokferry_server.delivery.durable.clock import Clock
from tokferry_server.delivery.durable.connection import WorkerConnection
from tokferry_server.delivery.durable.lane import Lane
from tokferry_server.delivery.durable.pauses import Pause
from tokferry_server.delivery.durable.store import Store
from tokferry_server.delivery.group import pack
from tokferry_server.delivery.outbox.interface import Outbox, Row
from tokferry_server.tiktok.wire import Route

_CLAIM: Final = 1000


class Lanes:
    """One lane for each connection of the settings, which may change.

    ``unknown`` counts the waiting events of connections that the settings lack.
    """

    def __init__(
        self,
        connections: Mapping[str, WorkerConnection],
        outbox: Outbox,
        store: Store,
        clock: Clock,
        caps: RequestCaps,
    ) -> None:
        self.by_name: dict[str, Lane] = {}
        self.unknown: dict[str, int] = {}
        self._connections = connections
        self._outbox = outbox
        self._store = store
        self._clock = clock
        self._caps = caps

    def in_turn(self) -> list[Lane]:
        """Give every lane, the one that was served last at the end."""
        return list(self.by_name.values())

    def served(self, lane: Lane) -> None:
        """Put a lane behind all others."""
        self.by_name[lane.name] = self.by_name.pop(lane.name)

    async def follow(
        self, paused: Mapping[str, Pause], resumed: Mapping[str, float]
    ) -> None:
        """Follow the settings, and the pauses that someone has set or ended."""
        for name, settings in self._connections.items():
            lane = self.by_name.get(name)
            if lane is None:
                lane = self.by_name[name] = Lane(name, settings, self._clock)
                lane.resumed = resumed.get(name)
            lane.settings = settings
            lane.operator = paused.get(name)
            if lane.resumed != resumed.get(name):
                lane.resumed = resumed.get(name)
                lane.resume()
        for lane in list(self.by_name.values()):
            if lane.name not in self._connections:
                await self.close(lane)

    async def round_up(self) -> None:
        """Find the rows that nobody sends."""
        ready = await self._outbox.ready(self._clock.now())
        self.unknown = {
            name: count for name, count in ready.items() if name not in self.by_name
        }

    async def bury(self) -> None:
        """Store the deaths that did not fit before."""
        for lane in list(self.by_name.values()):
            deaths, lane.deaths = lane.deaths, []
            await self._store.kill(lane, deaths)

    async def claim(self, lane: Lane) -> None:
        """Take due rows and sort them into requests."""
        lane.eager = False
        rows = await self._outbox.claim(lane.name, _CLAIM, self._clock.now())
        lane.behind = len(rows) == _CLAIM
        lane.eager = lane.eager or lane.behind
        lane.counts.received += len(rows)
        by_route: dict[Route, list[Row]] = {}
        for row in rows:
            by_route.setdefault(row.route, []).append(row)
        for route, routed in by_route.items():
            most = self._caps.of(lane.name, route)
            lane.chunks.extend(pack(route, routed, most))

    async def close(self, lane: Lane) -> None:
        """Give back what a lane holds, and forget it once nothing is under way."""
        ids = [row.id for rows in lane.chunks for row in rows]
        lane.chunks.clear()
        await self._store.release(lane, ids)
        if not (lane.in_flight or lane.claiming or lane.deaths):
            del self.by_name[lane.name]
