"""Those who hold connections open, flood them or send too much."""

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest

from hostile import frames
from hostile.conftest import AUTHORIZED, FORWARDING, Service

pytestmark = pytest.mark.gate

MEMORY = 50 * 2**20
HANDSHAKE_SECONDS = 5.0  # what the server allows
RESETS_A_SECOND, RESETS_AT_ONCE, RESET_SECONDS = 5_000, 50, 4.0
FLOOD_SECONDS = 1.5
RESETS = 1_000  # far fewer than are sent where nothing else goes on


@pytest.fixture
async def watched(
    service: Service, capsys: pytest.CaptureFixture[str], request: Any
) -> AsyncIterator[Service]:
    """See that an established caller is served, and memory and files stay bounded.

    How long it waits is printed only, and how long a new caller does afterwards.
    """
    await service.alive()
    memory, sockets = service.resident, service.sockets
    service.forget_peak()
    async with service.polite_caller():
        yield service
        most = service.peak
        over = time.monotonic()
        await service.alive()
        after = time.monotonic() - over
        for _ in range(40):
            if service.resident - memory < MEMORY:
                break
            await asyncio.sleep(0.5)
        assert service.resident - memory < MEMORY
    await service.alive()
    for _ in range(100):
        if service.sockets <= sockets + 2:
            break
        await asyncio.sleep(0.1)
    assert service.sockets <= sockets + 2
    ordered = sorted(service.waits)
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    with capsys.disabled():
        print(
            f"\n{request.node.name}: {len(ordered)} calls of an established caller OK, "
            f"p99 {p99 * 1e3:.0f} ms, most {ordered[-1] * 1e3:.0f} ms; a new one after "
            f"{after * 1e3:.0f} ms; {(most - memory) / 2**20:+.1f} MiB"
        )


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


async def test_those_who_say_nothing_or_slowly_are_sent_away(
    watched: Service,
) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
    idle = [b""] * 1000
    slow = [frames.opened()] * 20
    took = await asyncio.gather(
        *(until_closed(watched.port, begun) for begun in idle),
        *(until_closed(watched.port, begun, every=1.0) for begun in slow),
    )
    # The time is the server's own, so only a lost limit makes it twice as long.
    assert max(took) < 2 * HANDSHAKE_SECONDS


FLOODS: dict[str, Callable[[], bytes]] = {
    "pings": lambda: frames.frame(frames.PING, 0, 0, bytes(8)) * 20_000,
    "settings": lambda: frames.frame(frames.SETTINGS, 0, 0) * 20_000,
    "resets": lambda: b"".join(reset(2 * n + 1) for n in range(1, 5_000)),
    "calls": lambda: b"".join(call(2 * n + 1) for n in range(1, 3_000)),
    "calls that send nothing": lambda: b"".join(
        begun(2 * n + 1, "Forward") for n in range(32)
    ),
    "continuations": lambda: continued(400),
    "large headers of many calls": lambda: b"".join(ended(2 * n + 1) for n in range(8)),
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
    "a huge message": lambda: huge(1),
    "empty data": lambda: begun(1) + frames.frame(frames.DATA, 0, 1) * 20_000,
}


def begun(stream: int, method: str = "ForwardStream") -> bytes:
    """Give a call whose message does not come."""
    fields = frames.call_headers(f"{FORWARDING}{method}", AUTHORIZED)
    return frames.frame(
        frames.HEADERS, frames.END_HEADERS, stream, frames.encoded(fields)
    )


def huge(stream: int) -> bytes:
    """Give 4 MiB of a message that is to have 4 GiB."""
    prefix = frames.frame(frames.DATA, 0, stream, frames.message(b"", length=2**32 - 1))
    return (
        begun(stream)
        + prefix
        + frames.frame(frames.DATA, 0, stream, bytes(16384)) * 256
    )


def reset(stream: int) -> bytes:
    return begun(stream) + frames.frame(frames.RST_STREAM, 0, stream, bytes(4))


def call(stream: int) -> bytes:
    fields = frames.call_headers(f"{FORWARDING}DescribeConnection")
    return frames.call(stream, fields, frames.message(b""))


def continued(count: int, stream: int = 1) -> bytes:
    """Give headers that never end."""
    block = frames.encoded([("x-more", "y" * 16_000)])
    fields = frames.call_headers(f"{FORWARDING}Forward", AUTHORIZED)
    head = frames.frame(frames.HEADERS, 0, stream, frames.encoded(fields))
    return head + frames.frame(frames.CONTINUATION, 0, stream, block) * count


def ended(stream: int) -> bytes:
    """Give headers of 1.6 MB, to which gRPC holds nobody who has not agreed to less."""
    end = frames.frame(frames.CONTINUATION, frames.END_HEADERS, stream)
    return continued(100, stream) + end


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_takes_no_memory_and_no_turn(
    watched: Service, flood: str
) -> None:
    data = frames.opened() + FLOODS[flood]()
    end = time.monotonic() + FLOOD_SECONDS

    async def send() -> None:
        while (left := end - time.monotonic()) > 0:
            await frames.said(watched.port, data, min(left, 0.4))

    await asyncio.gather(*(send() for _ in range(3)))


async def test_streams_that_are_reset_at_once_take_no_memory_and_no_turn(
    watched: Service,
) -> None:
    end = time.monotonic() + RESET_SECONDS
    count = 0
    while time.monotonic() < end:
        count += await resetting(watched.port, end)
    assert count >= RESETS


async def resetting(port: int, end: float) -> int:
    """Open streams and reset them, 5,000 a second until the server hangs up.

    Gives how many there were.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(frames.opened())
    reading = asyncio.create_task(reader.read())
    headers, goodbye = begun(1)[9:], bytes(4)
    count, began = 0, time.monotonic()
    while not reading.done() and time.monotonic() < end:
        first = 2 * count + 1
        for stream in range(first, first + 2 * RESETS_AT_ONCE, 2):
            writer.write(
                frames.frame(frames.HEADERS, frames.END_HEADERS, stream, headers)
                + frames.frame(frames.RST_STREAM, 0, stream, goodbye)
            )
        count += RESETS_AT_ONCE
        behind = began + count / RESETS_A_SECOND - time.monotonic()
        await asyncio.sleep(max(0.0, behind))
    reading.cancel()
    with suppress(asyncio.CancelledError, ConnectionError):
        await reading
    writer.transport.abort()
    return count
