"""A model of TikTok: what it takes, for how long it knows it, and all its faults."""

import asyncio
import hashlib
from dataclasses import dataclass, field
from random import Random
from typing import Any

import msgspec

from durable.simulation.time import Times
from tokferry_server.tiktok.answer import Answer, Failure

HOUR = 3600.0
READ_TIMEOUT_S = 10.0
FAULTS = (
    "throttled 40100",
    "throttled 429",
    "error 50000",
    "error 51305",
    "error 500",
    "html 502",
    "maintenance",
    "refused",
    "late though taken",
    "late and lost",
    "reset before",
    "taken then reset",
    "truncated though taken",
    "very late",
    "partial",
    "duplicated",
)

Key = tuple[str, str, str]


class _Event(msgspec.Struct):
    event: str
    event_id: str


class _Request(msgspec.Struct):
    event_source_id: str
    data: list[msgspec.Raw]
    test_event_code: str | None = None


@dataclass
class Weather:
    """How TikTok fares: ``share`` of the requests meet one of ``faults``."""

    faults: tuple[str, ...] = ()
    share: float = 0.0
    retry_after: float | None = None


@dataclass
class TikTok:
    """Takes events by rules of its own; ``problems`` is what must never happen.

    ``bad`` holds the ids of events that it refuses, ``names`` whether it says which.
    """

    random: Random
    times: Times
    weather: dict[str, Weather] = field(default_factory=dict)
    valid_token: str = "token-0"
    most_events: int = 1000
    names: bool = True
    bad: set[str] = field(default_factory=set)
    taken: dict[Key, float] = field(default_factory=dict)
    routes: dict[str, Any] = field(default_factory=dict)
    bodies: dict[Key, bytes] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    requests: int = 0
    duplicates: int = 0
    trace: Any = None

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
        """Answer one request, in virtual time."""
        del path, resend, patience
        self.requests += 1
        request = msgspec.json.decode(body, type=_Request)
        keys = [self._check(request, raw) for raw in request.data]
        weather = self.weather.get(key, Weather())
        fault = ""
        if weather.faults and self.random.random() < weather.share:
            fault = self.random.choice(weather.faults)
        self.note("post", key, fault, *(one[2] for one in keys))
        return await self._answer(keys, token, fault, weather)

    def _check(self, request: _Request, raw: msgspec.Raw) -> Key:
        event = msgspec.json.decode(raw, type=_Event)
        key = (request.event_source_id, event.event, event.event_id)
        first = self.bodies.setdefault(key, bytes(raw))
        if first != bytes(raw):
            self.problems.append(f"{key} was sent with other bytes")
        route = self.routes.get(event.event_id)
        if route is None or (
            route.event_source_id != request.event_source_id
            or route.test_event_code != request.test_event_code
        ):
            self.problems.append(f"{key} was sent by another route")
        since = self.taken.get(key)
        if since is not None and self.times.true() - since >= 47 * HOUR + 60:
            self.problems.append(f"{key} was sent 47 hours after it was taken")
        return key

    async def _answer(
        self, keys: list[Key], token: str, fault: str, weather: Weather
    ) -> Answer:
        await asyncio.sleep(self.random.uniform(0.01, 0.3))
        early = self._before_reading(fault, weather)
        if early is not None:
            return early
        if fault == "late and lost":
            await asyncio.sleep(READ_TIMEOUT_S)
            return Answer(failure=Failure.READ_TIMEOUT)
        answer = self._judge(keys, token)
        if fault == "very late":
            delay = self.random.uniform(READ_TIMEOUT_S, 120.0)
            loop = asyncio.get_running_loop()
            loop.call_later(delay, self._take, keys if answer.code == 0 else [])
        elif answer.code == 0:
            self._take(keys)
        await asyncio.sleep(self.random.uniform(0.01, 0.3))
        return await self._after_reading(fault, answer)

    def _before_reading(self, fault: str, weather: Weather) -> Answer | None:
        kind, _, number = fault.partition(" ")
        if kind == "throttled":
            wait = weather.retry_after
            if number == "429":
                return Answer(http_status=429, retry_after=wait)
            return Answer(http_status=401, code=40100, retry_after=wait)
        if kind == "error":
            if number == "500":
                return Answer(http_status=500)
            return Answer(http_status=200, code=int(number))
        named = {
            "html 502": Answer(http_status=502),
            "maintenance": Answer(http_status=200, code=60001),
            "refused": Answer(failure=Failure.CONNECT),
            "reset before": Answer(failure=Failure.RESET),
        }
        return named.get(fault)

    async def _after_reading(self, fault: str, answer: Answer) -> Answer:
        if fault in ("late though taken", "very late"):
            await asyncio.sleep(READ_TIMEOUT_S)
            return Answer(failure=Failure.READ_TIMEOUT)
        if fault == "taken then reset":
            return Answer(failure=Failure.RESET)
        if fault == "truncated though taken":
            return Answer(http_status=200, failure=Failure.TRUNCATED)
        if answer.code == 0 and fault in ("partial", "duplicated"):
            return Answer(http_status=200, code=20001 if fault == "partial" else 40050)
        return answer

    def _judge(self, keys: list[Key], token: str) -> Answer:
        if token != self.valid_token:
            return Answer(http_status=401, code=40105)
        if len(keys) > self.most_events:
            return Answer(http_status=200, code=40061)
        for index, (_, _, id_) in enumerate(keys):
            if id_ in self.bad:
                if self.names:
                    return Answer(
                        http_status=200, code=40002, index=index, field="properties"
                    )
                return Answer(http_status=200, code=40002)
        return Answer(http_status=200, code=0)

    def _take(self, keys: list[Key]) -> None:
        now = self.times.true()
        for key in keys:
            since = self.taken.setdefault(key, now)
            if since != now:
                self.duplicates += 1
            if now - since >= 48 * HOUR:
                self.problems.append(f"{key} was counted twice")
        self.note("taken", *(key[2] for key in keys))

    def note(self, *what: object) -> None:
        """Add to the trace, which two runs of one seed must share."""
        line = f"{self.times.true():.6f} {what}\n"
        self.trace.update(line.encode())


def new_trace() -> Any:
    return hashlib.sha256()
