"""Those who hold connections open, flood them or send too much."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from hostile import frames
from hostile.conftest import TOKEN, Service
from hostile.test_wire import FORWARDING

pytestmark = pytest.mark.gate

MEMORY = 50 * 2**20
HANDSHAKE_SECONDS = 5.0  # what the server allows
AUTHORIZED = ("authorization", f"Bearer {TOKEN}")


@asynccontextmanager
async def watched(service: Service) -> AsyncIterator[None]:
    """See that an established caller is served, and memory and files stay bounded."""
    await service.alive()
    memory, sockets = service.resident, service.sockets
    async with service.polite_caller():
        yield
        for _ in range(40):
            if service.resident - memory < MEMORY:
                break
            await asyncio.sleep(0.5)
        assert service.resident - memory < MEMORY
    await service.alive()
    for _ in range(100):
        if service.sockets <= sockets + 2:
            return
        await asyncio.sleep(0.1)
    assert service.sockets <= sockets + 2


async def until_closed(port: int, begun: bytes, every: float = 0.0) -> float:
    """Send slowly; give after how many seconds the server closed."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    rest = iter(begun)

    async def drip() -> None:
        for one in rest:
            writer.write(bytes((one,)))
            await asyncio.sleep(every)

    dripping = asyncio.create_task(drip())
    try:
        async with asyncio.timeout(4 * HANDSHAKE_SECONDS):
            while await reader.read(65536):
                pass
    except ConnectionError:
        pass
    finally:
        dripping.cancel()
        writer.transport.abort()
    return time.monotonic() - began


async def test_those_who_say_nothing_or_slowly_are_sent_away(service: Service) -> None:
    idle = [b""] * 100
    slow = [frames.opened()] * 20
    async with watched(service):
        took = await asyncio.gather(
            *(until_closed(service.port, begun) for begun in idle),
            *(until_closed(service.port, begun, every=1.0) for begun in slow),
        )
    # The time is the server's own, so only a lost limit makes it twice as long.
    assert max(took) < 2 * HANDSHAKE_SECONDS


FLOODS: dict[str, Callable[[], bytes]] = {
    "pings": lambda: frames.frame(frames.PING, 0, 0, bytes(8)) * 20_000,
    "settings": lambda: frames.frame(frames.SETTINGS, 0, 0) * 20_000,
    "resets": lambda: b"".join(reset(2 * n + 1) for n in range(1, 5_000)),
    "calls": lambda: b"".join(call(2 * n + 1) for n in range(1, 3_000)),
    "continuations": lambda: continued(400),
    "large headers": lambda: frames.call(
        1, frames.call_headers(f"{FORWARDING}Forward", ("x", "y" * 60_000)), b""
    ),
    "many headers": lambda: frames.call(
        1,
        frames.call_headers(
            f"{FORWARDING}Forward", *((f"x-{n}", "y" * 100) for n in range(500))
        ),
        b"",
    ),
    "empty data": lambda: begun(1) + frames.frame(frames.DATA, 0, 1) * 20_000,
}


def begun(stream: int) -> bytes:
    fields = frames.call_headers(f"{FORWARDING}ForwardStream", AUTHORIZED)
    return frames.frame(
        frames.HEADERS, frames.END_HEADERS, stream, frames.encoded(fields)
    )


def reset(stream: int) -> bytes:
    return begun(stream) + frames.frame(frames.RST_STREAM, 0, stream, bytes(4))


def call(stream: int) -> bytes:
    fields = frames.call_headers(f"{FORWARDING}DescribeConnection")
    return frames.call(stream, fields, frames.message(b""))


def continued(count: int) -> bytes:
    """Give headers that never end."""
    block = frames.encoded([("x-more", "y" * 16_000)])
    fields = frames.call_headers(f"{FORWARDING}Forward", AUTHORIZED)
    head = frames.frame(frames.HEADERS, 0, 1, frames.encoded(fields))
    return head + frames.frame(frames.CONTINUATION, 0, 1, block) * count


async def test_floods_take_no_memory_and_no_turn(service: Service) -> None:
    async with watched(service):
        for made in FLOODS.values():
            data = frames.opened() + made()
            for _ in range(3):
                await asyncio.gather(
                    *(frames.said(service.port, data, 0.4) for _ in range(3))
                )
