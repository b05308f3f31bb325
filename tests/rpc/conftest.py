"""A real server and a real sandbox, both on free ports of loopback."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tokferry import AsyncClient
from tokferry_server.assembly import Assembled, assembled
from tokferry_server.rpc.server import Server
from tokferry_server.sandbox.server import Sandbox
from tokferry_server.settings import settings_from_mapping

TOKEN = "a-made-up-token"
PIXEL = "C4MADEUPPIXEL0000001"


@dataclass
class Running:
    """What a test talks to."""

    client: AsyncClient
    sandbox: Sandbox
    spans: InMemorySpanExporter
    service: Assembled
    server: Server
    target: str


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Give a function that starts both; settings of the connection may be given."""
    token_file = tmp_path / "token"
    token_file.write_text(TOKEN)
    async with AsyncExitStack() as stack:

        async def start_with(
            *,
            sandbox: dict[str, Any] | None = None,
            outbox: dict[str, Any] | None = None,
            server: dict[str, Any] | None = None,
            client: dict[str, Any] | None = None,
            reflection: bool = False,
            **settings: Any,
        ) -> Running:
            running = await stack.enter_async_context(
                Sandbox(token=TOKEN, **(sandbox or {}))
            )
            spans = InMemorySpanExporter()
            provider = TracerProvider()
            provider.add_span_processor(SimpleSpanProcessor(spans))
            loaded = settings_from_mapping(
                {
                    "tiktok": {"base_url": running.url, "allow_loopback": True},
                    "connections": {
                        "shop": {
                            "pixel_id": PIXEL,
                            "access_token": {"file": str(token_file)},
                            **settings,
                        },
                        "tokenless": {"pixel_id": PIXEL},
                    },
                    **({} if outbox is None else {"outbox": outbox}),
                    **({} if server is None else {"server": server}),
                },
                folder=tmp_path,
            )
            service = await stack.enter_async_context(
                assembled(loaded, tracer_provider=provider, reflection=reflection)
            )
            port = await service.server.start("127.0.0.1:0")
            stack.push_async_callback(service.server.drain)
            target = f"localhost:{port}" if server else f"127.0.0.1:{port}"
            caller = AsyncClient(target, **(client or {}))
            await stack.enter_async_context(caller)
            return Running(caller, running, spans, service, service.server, target)

        yield start_with
