import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from cli.shop import TOKEN, Shop
from tokferry_server.sandbox.server import Sandbox


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(token=TOKEN) as running:
        yield running


@pytest.fixture
def shop(sandbox: Sandbox, tmp_path: Path) -> Shop:
    return Shop(tmp_path, sandbox)


Serve = Callable[[], Awaitable[tuple[asyncio.subprocess.Process, str]]]


@pytest.fixture
async def serve(shop: Shop) -> AsyncIterator[Serve]:
    """Give a function that starts a server, again and again at one address."""
    running: list[asyncio.subprocess.Process] = []
    address = "127.0.0.1:0"

    async def start() -> tuple[asyncio.subprocess.Process, str]:
        nonlocal address
        process = await shop.start(
            "serve", "--settings", "settings.toml", "--listen", address
        )
        running.append(process)
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        address = line.decode().split()[-1]
        return process, address

    yield start
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()
