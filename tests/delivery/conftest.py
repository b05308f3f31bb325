"""A forwarder on a clock of its own, over a scripted poster or a real sandbox."""

import asyncio
import contextlib
import os
import shutil
import ssl
import subprocess
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

from tokferry_server.delivery import (
    DeliveryResult,
    Forwarder,
    Parcel,
    Timeouts,
    Transport,
)
from tokferry_server.sandbox import Fault, Sandbox
from tokferry_server.tiktok.answer import Answer
from tokferry_server.tiktok.wire import Route

ON_BOTH_LOOPS = ("test_transport", "test_in_flight")


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Let what is near the network run as the server runs, too: on uvloop."""
    loops = {"asyncio": asyncio.new_event_loop}
    if item.path.name.startswith(ON_BOTH_LOOPS):
        loops["uvloop"] = uvloop.new_event_loop
    return loops


TOKEN = "a-made-up-token"
ROUTE = Route(wire_format="events_2", event_source="web", event_source_id="C4MADEUP")


@dataclass
class FakeTime:
    """A clock that only sleeping moves."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)
    drawn: float = 0.5

    def clock(self) -> float:
        return self.now

    def random(self) -> float:
        return self.drawn

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def parcels(count: int, route: Route = ROUTE, extra: str = "") -> list[Parcel]:
    """Make valid web events with the ids "0", "1", …"""
    return [
        Parcel(
            route=route,
            event="ViewContent",
            event_id=str(index),
            body=b'{"event":"ViewContent","event_time":1795000000,"event_id":"%d",'
            b'"user":{"ip":"203.0.113.9","user_agent":"ExampleBrowser/1.0%b"},'
            b'"page":{"url":"https://example.com/"}}' % (index, extra.encode()),
        )
        for index in range(count)
    ]


Answering = Callable[[list[str]], Answer]


@dataclass
class Poster:
    """Answers from a function of the event ids; keeps what was asked."""

    answering: Answering
    time: FakeTime
    requests: list[list[str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    resends: list[int] = field(default_factory=list)
    patience: list[float | None] = field(default_factory=list)
    takes: float = 0.0

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
        assert key
        request = msgspec.json.decode(body)
        events = request.get("data") or request.get("batch") or [request]
        ids = [event["event_id"] for event in events]
        self.requests.append(ids)
        self.paths.append(path)
        self.tokens.append(token)
        self.bodies.append(body)
        self.resends.append(resend)
        self.patience.append(patience)
        self.time.now += self.takes
        return self.answering(ids)


@dataclass
class Bench:
    """A forwarder, its time, and what answers it."""

    time: FakeTime
    poster: Poster
    forwarder: Forwarder
    token: Callable[[], str] = lambda: TOKEN

    async def send(
        self, sent: int | Sequence[Parcel], deadline: float | None = None
    ) -> list[DeliveryResult]:
        if isinstance(sent, int):
            sent = parcels(sent)
        return await self.forwarder.forward(
            sent, self.token, key="shop", deadline=deadline
        )


Bring = Callable[[Answering], Bench]


@pytest.fixture
def bench() -> Bring:
    """Give a function that makes a forwarder over scripted answers."""

    def bring(answering: Answering) -> Bench:
        time = FakeTime()
        poster = Poster(answering, time)
        forwarder = Forwarder(
            poster, clock=time.clock, sleep=time.sleep, random=time.random
        )
        return Bench(time, poster, forwarder)

    return bring


@dataclass
class Line:
    """A forwarder that reaches a sandbox over loopback."""

    time: FakeTime
    sandbox: Sandbox
    transport: Transport
    forwarder: Forwarder

    async def send(self, count: int) -> list[DeliveryResult]:
        return await self.forwarder.forward(
            parcels(count), lambda: TOKEN, key="shop", deadline=None
        )

    def fail(self, fault: dict[str, Any], bad: Collection[int]) -> None:
        """Let a fault befall every request that holds one of the bad events."""
        faults = [{**fault, "event_id": str(one), "times": None} for one in bad]
        self.sandbox.script(msgspec.convert(faults, list[Fault]))

    def taken(self) -> set[int]:
        return {int(event.event_id or -1) for event in self.sandbox.events}


@pytest.fixture
def timeouts() -> Timeouts:
    """Give limits that only an answer that does not come reaches: those by default."""
    return Timeouts()


@pytest.fixture
async def line(timeouts: Timeouts) -> AsyncIterator[Line]:
    """Give a forwarder and a sandbox that does not validate, but remembers."""
    time = FakeTime()
    async with (
        Sandbox(token=TOKEN) as sandbox,
        Transport(
            base_url=sandbox.url,
            user_agent="tokferry-tests/1",
            allow_loopback=True,
            timeouts=timeouts,
        ) as transport,
    ):
        sandbox._gate.validate = False
        forwarder = Forwarder(
            transport, clock=time.clock, sleep=time.sleep, random=time.random
        )
        yield Line(time, sandbox, transport, forwarder)


Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[..., Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Give a function that starts a server of one's own making and gives its URL."""
    servers: list[asyncio.Server] = []
    calls: set[asyncio.Task[Any]] = set()

    async def start(handle: Handle, tls: ssl.SSLContext | None = None) -> str:
        async def one(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            task = asyncio.current_task()
            assert task is not None
            calls.add(task)
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await handle(reader, writer)
            writer.close()

        servers.append(await asyncio.start_server(one, "127.0.0.1", 0, ssl=tls))
        port = servers[-1].sockets[0].getsockname()[1]
        return f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"

    yield start
    for server in servers:
        server.close()
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


@pytest.fixture
async def answering(serve: Serve) -> Callable[[bytes], Awaitable[str]]:
    """Give a function that starts a server which gives every caller these bytes."""

    async def start(answer: bytes) -> str:
        async def give(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await reader.read(65536)
            writer.write(answer)
            await writer.drain()

        return await serve(give)

    return start


@dataclass(frozen=True)
class Certificates:
    """Contexts: a server that is called localhost, another one, one that knows only
    TLS 1.1, and a client.
    """

    localhost: ssl.SSLContext
    example: ssl.SSLContext
    old: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None and not os.environ.get("CI"):
        pytest.skip("openssl makes the certificates: apt-get install openssl")
    folder = tmp_path_factory.mktemp("certificates")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    servers = []
    for name in ("localhost", "example.com", "localhost"):
        pair = _self_signed(folder, name)
        servers.append(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        servers[-1].load_cert_chain(pair)
        client.load_verify_locations(pair)
    servers[-1].set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        servers[-1].maximum_version = ssl.TLSVersion.TLSv1_1
    localhost, example, old = servers
    return Certificates(localhost, example, old, client)


def _self_signed(folder: Path, name: str) -> Path:
    pair = folder / f"{name}.pem"
    # fmt: off
    subprocess.run([
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
        "-keyout", str(pair), "-out", str(pair.with_suffix(".crt")),
    ], check=True, capture_output=True)
    # fmt: on
    with pair.open("ab") as file:
        file.write(pair.with_suffix(".crt").read_bytes())
    return pair
