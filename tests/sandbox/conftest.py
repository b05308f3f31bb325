"""A sandbox on a free port, and a client that speaks to it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tokferry_server.sandbox import Sandbox
from tokferry_server.sandbox.strict import TRACK_2

TOKEN = "a-made-up-token"
PIXEL = "C4MADEUP"


def event(event_id: str, **change: object) -> dict[str, Any]:
    """Make a web event."""
    return {
        "event": "ViewContent",
        "event_time": 1795000000,
        "event_id": event_id,
        "user": {"ip": "203.0.113.9", "user_agent": "ExampleBrowser/1.0"},
        "page": {"url": "https://example.com/"},
        **change,
    }


@dataclass
class Caller:
    """Posts events as TikTok's clients do."""

    sandbox: Sandbox
    http: httpx.AsyncClient
    headers: dict[str, str] = field(default_factory=lambda: {"Access-Token": TOKEN})

    async def post(self, *events: dict[str, Any], **root: object) -> httpx.Response:
        request = {"event_source": "web", "event_source_id": PIXEL, "data": events}
        return await self.http.post(
            TRACK_2, json={**request, **root}, headers=self.headers
        )

    async def code(self, *events: dict[str, Any], **root: object) -> int:
        answer: dict[str, int] = (await self.post(*events, **root)).json()
        return answer["code"]


Start = Callable[..., Awaitable[Caller]]
MakeEvent = Callable[..., dict[str, Any]]


@pytest.fixture
def make_event() -> MakeEvent:
    return event


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Give a function that starts a sandbox; its settings may be given."""
    callers: list[Caller] = []

    async def run(**settings: Any) -> Caller:
        sandbox = await Sandbox(token=TOKEN, **settings).__aenter__()
        http = httpx.AsyncClient(base_url=sandbox.url, trust_env=False, timeout=1)
        callers.append(Caller(sandbox, http))
        return callers[-1]

    yield run
    for caller in callers:
        await caller.http.aclose()
        await caller.sandbox.__aexit__()
