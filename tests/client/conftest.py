"""A small real server that answers, or fails, as a test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc import status_pb2
from grpc_status import rpc_status

from tokferry import AsyncClient, Client
from tokferry.v1 import (
    ChunkResult,
    DescribeConnectionResponse,
    EventResult,
    ForwardResponse,
    ForwardStreamRequest,
    ForwardStreamResponse,
    ForwardTotals,
    Outcome,
    StreamOpened,
    TransformResponse,
    TransformResult,
)
from tokferry.v1.forwarding_service_pb2_grpc import (
    ForwardingServiceServicer,
    add_ForwardingServiceServicer_to_server,
)

Reply = Callable[[Any], Awaitable[None]]


@dataclass(slots=True)
class Service(ForwardingServiceServicer):
    """Keeps what it was asked, and runs the next scripted reply, if there is one."""

    requests: list[Any] = field(default_factory=list)
    metadata: list[dict[str, str | bytes]] = field(default_factory=list)
    seconds_left: list[float | None] = field(default_factory=list)
    script: list[Reply] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)

    @staticmethod
    def fail(code: grpc.StatusCode, message: str = "no", *details: Any) -> Reply:
        """Make a reply that ends the call with a status and rich details."""

        async def reply(context: Any) -> None:
            status = status_pb2.Status(code=code.value[0], message=message)
            for detail in details:
                status.details.add().Pack(detail)
            await context.abort_with_status(rpc_status.to_status(status))

        return reply

    @staticmethod
    def wait(seconds: float) -> Reply:
        """Make a reply that takes its time."""

        async def reply(_: Any) -> None:
            await asyncio.sleep(seconds)

        return reply

    async def _note(self, request: Any, context: Any) -> None:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        self.seconds_left.append(context.time_remaining())
        if self.script:
            await self.script.pop(0)(context)

    async def Transform(self, request: Any, context: Any) -> TransformResponse:  # noqa: N802
        await self._note(request, context)
        return TransformResponse(results=[TransformResult(batch=7)])

    async def Forward(self, request: Any, context: Any) -> ForwardResponse:  # noqa: N802
        await self._note(request, context)
        return ForwardResponse(totals=ForwardTotals(received=3, delivered=3))

    async def ForwardStream(  # noqa: N802
        self, requests: AsyncIterator[ForwardStreamRequest], context: Any
    ) -> AsyncIterator[ForwardStreamResponse]:
        """Refuse every line that comes."""
        await self._note((await anext(requests)).options, context)
        yield ForwardStreamResponse(opened=StreamOpened(window_chunks=4))
        async for request in requests:
            lines = request.chunk.json.split(b"\n")
            self.lines += lines
            results = [
                EventResult(batch=index, event=0, outcome=Outcome.OUTCOME_REJECTED)
                for index, _ in enumerate(lines)
            ]
            totals = ForwardTotals(received=len(lines), rejected=len(lines))
            yield ForwardStreamResponse(
                chunk=ChunkResult(
                    sequence=request.chunk.sequence, results=results, totals=totals
                )
            )

    async def DescribeConnection(  # noqa: N802
        self, request: Any, context: Any
    ) -> DescribeConnectionResponse:
        await self._note(request, context)
        return DescribeConnectionResponse(version="9.8.7")


@dataclass(slots=True)
class Caller:
    """Calls either kind of client by the same words."""

    kind: type[Client | AsyncClient]
    target: str
    clients: list[Client | AsyncClient] = field(default_factory=list)

    async def __call__(self, method: str, *arguments: Any, **options: Any) -> Any:
        return await self.on(self.client(), method, *arguments, **options)

    def client(self, **options: Any) -> Client | AsyncClient:
        """Make a client of this kind, closed at the end of the test."""
        client = self.kind(options.pop("target", self.target), **options)
        self.clients.append(client)
        return client

    async def on(self, client: Any, method: str, *args: Any, **options: Any) -> Any:
        """Call a method of a client, in a thread if it blocks."""
        function = getattr(client, method)
        if isinstance(client, Client):
            return await asyncio.to_thread(function, *args, **options)
        return await function(*args, **options)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def target(service: Service) -> AsyncIterator[str]:
    server = grpc.aio.server()
    add_ForwardingServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@pytest.fixture(params=[Client, AsyncClient], ids=["blocking", "asyncio"])
async def call(request: pytest.FixtureRequest, target: str) -> AsyncIterator[Caller]:
    caller = Caller(request.param, target)
    yield caller
    for client in caller.clients:
        await caller.on(client, "close")


@pytest.fixture(autouse=True)
def no_proxy_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
