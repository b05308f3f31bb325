"""A worker on virtual time over a memory outbox and a scripted TikTok."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from durable.memory_outbox import MemoryOutbox
from durable.virtual_time import run_virtually
from tokferry_server.delivery.durable import (
    Clock,
    Journal,
    PauseFolder,
    Uptime,
    Worker,
    WorkerConnection,
)
from tokferry_server.delivery.durable.status import LaneStatus
from tokferry_server.delivery.outbox.interface import NewRow, Row
from tokferry_server.delivery.pace import AppPace, Throttle, TokenBucket
from tokferry_server.tiktok.answer import Answer
from tokferry_server.tiktok.wire import Route

START = 1_795_003_200.0  # 2026-11-18, noon UTC
OK = Answer(http_status=200, code=0)
ROUTE = Route(wire_format="events_2", event_source="web", event_source_id="C4MADEUP")

Answering = Callable[[list[str]], Answer | Awaitable[Answer]]


@dataclass
class Post:
    """One request: when, for which connection, with which events."""

    at: float
    key: str
    token: str
    ids: list[str]
    body: bytes


@dataclass
class Bench:
    """``now`` counts virtual seconds from the start; ``random`` is always drawn."""

    answering: Answering = lambda _ids: OK
    takes: float = 0.1
    random: float = 0.5
    names: tuple[str, ...] = ("shop",)
    rate: float = 1e9
    concurrency: int = 16
    pool: int = 64
    poll: float = 1.0
    max_event_age: float | None = None
    pauses: PauseFolder | None = None
    journal: Journal = field(default_factory=Journal)
    offset: float = 0.0
    posts: list[Post] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    app_of: Callable[[str], str] = lambda name: name

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._begin = loop.time()
        self.outbox = MemoryOutbox(self.wall, self.wall)
        self.tokens = dict.fromkeys(self.names, "a-made-up-token") | self.tokens
        self.paces = {self.app_of(name): self._pace(loop) for name in self.names}
        self.connections = {name: self._connection(name) for name in self.names}
        self.start()

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self.clock = Clock(
            monotonic=loop.time,
            wall=self.wall,
            random=lambda: self.random,
            uptime=lambda: Uptime("one", loop.time()),
        )
        self.worker = Worker(
            outbox=self.outbox,
            connections=self.connections,
            clock=self.clock,
            pauses=self.pauses,
            journal=self.journal,
            pool=self.pool,
            poll=self.poll,
        )
        self.run = loop.create_task(self.worker.run())

    def _pace(self, loop: asyncio.AbstractEventLoop) -> AppPace:
        return AppPace(
            bucket=TokenBucket(self.rate, clock=loop.time),
            throttle=Throttle(clock=loop.time, wall=self.wall),
        )

    def _connection(self, name: str) -> WorkerConnection:
        return WorkerConnection(
            poster=self,
            token=partial(self._token, name),
            pace=self.paces[self.app_of(name)],
            concurrency=self.concurrency,
            max_event_age=self.max_event_age,
        )

    def _token(self, name: str) -> str:
        if not self.tokens[name]:
            raise OSError("no such file")
        return self.tokens[name]

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time() - self._begin

    def wall(self) -> float:
        return START + self.now + self.offset

    async def post(  # noqa: PLR0913  the shape of a poster
        self,
        path: str,
        token: str,
        body: bytes,
        *,
        key: str,
        resend: int = 0,
        patience: float | None = None,
    ) -> Answer:
        del path, resend, patience
        events = msgspec.json.decode(body)["data"]
        ids = [event["event_id"] for event in events]
        self.posts.append(Post(self.now, key, token, ids, body))
        await asyncio.sleep(self.takes)
        answer = self.answering(ids)
        return answer if isinstance(answer, Answer) else await answer

    async def put(
        self,
        count: int,
        connection: str = "shop",
        route: Route = ROUTE,
        first: int = 0,
    ) -> None:
        """Put events with the ids "0", "1", …"""
        await self.outbox.put(
            [
                NewRow(
                    connection=connection,
                    route=route,
                    event=connection,
                    event_id=str(first + index),
                    body=b'{"event_id":"%d"}' % (first + index),
                    time_ms=int(self.wall() * 1000),
                )
                for index in range(count)
            ]
        )
        self.worker.wake(connection)

    async def until(self, seconds: float) -> None:
        """Let time pass until so many seconds after the start."""
        await asyncio.sleep(max(0.0, seconds - self.now))

    def status(self, name: str = "shop") -> LaneStatus:
        return self.worker.status().connections[name]

    def row(self, id_: int = 1) -> Row:
        return self.outbox.pending[id_]

    def dead(self) -> dict[str, str]:
        """Give the reasons of dead letters by event id."""
        rows = self.outbox.dead_rows.values()
        return {row.event_id: str(row.reason) for row in rows}

    def times(self, name: str = "shop") -> list[float]:
        """Give when requests were sent, to a tenth of a second."""
        return [round(post.at, 1) for post in self.posts if post.key == name]


def virtually(
    test: Callable[..., Coroutine[Any, Any, None]],
) -> Callable[..., None]:
    """Make an ordinary test of one that is to run in virtual time."""

    def run(**fixtures: Any) -> None:
        run_virtually(test(**fixtures))

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    run.__signature__ = _signature(test)  # type: ignore[attr-defined]
    if hasattr(test, "pytestmark"):
        run.pytestmark = test.pytestmark  # type: ignore[attr-defined]
    return run


def _signature(test: Callable[..., Any]) -> Any:
    return inspect.signature(test)


def bad_if(bad: Sequence[str], answer: Answer) -> Answering:
    """Answer so for every request that holds one of the bad events."""
    return lambda ids: answer if set(ids) & set(bad) else OK
