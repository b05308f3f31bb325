"""One request to TikTok by our transport, beside httpx's own and a bare one."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Final

import httpx

from bench import configured
from bench.path import json_batches, to_request
from bench.processes import sink
from bench.profiles import PURCHASE, web_loads
from bench.timing import Key
from tokferry_server.delivery.transport import Transport
from tokferry_server.tiktok.events_2 import EVENTS_2

SIZES: Final = (1, 50, 500)
RAW, HTTPX, OWN = "raw", "httpx", "own"
NAMES: Final = {HTTPX: "httpx's own transport", OWN: "the server's transport"}
_CALLERS: Final = 8
_HEAD: Final = (
    "POST {path} HTTP/1.1\r\nHost: {host}\r\nAccess-Token: {token}\r\n"
    "Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
)

Post = Callable[[bytes], Awaitable[object]]


async def run(rounds: int, seconds: float) -> dict[Key, float]:
    """Post bodies of every size in turns; gives the CPU seconds of a request."""
    path = EVENTS_2.path(1)
    taken: dict[Key, list[float]] = {}
    async with (
        sink() as target,
        _transport(target.address) as own,
        _transport(target.address, httpx.AsyncHTTPTransport(trust_env=False)) as other,
    ):
        raw = await _Raw.open(target.address, path)
        posts = {RAW: raw.post, HTTPX: _by(other, path), OWN: _by(own, path)}
        bodies = {size: body_of(size) for size in SIZES}
        for _ in range(rounds):
            for size, body in bodies.items():
                for name, post in posts.items():
                    spent = await _spent(post, body, seconds)
                    taken.setdefault((name, size), []).append(spent)
        raw.close()
    return {key: median(spent) for key, spent in taken.items()}


def body_of(events: int) -> bytes:
    """Make the body of a request with so many purchases."""
    way = to_request(configured.connection("web"), json_batches)
    return way(web_loads(PURCHASE, events, 1)[0].json)


def _transport(address: str, http: httpx.AsyncBaseTransport | None = None) -> Transport:
    return Transport(
        base_url=f"http://{address}",
        user_agent="bench",
        allow_loopback=True,
        http=http,
    )


def _by(transport: Transport, path: str) -> Post:
    async def post(body: bytes) -> object:
        return await transport.post(path, configured.TOKEN, body, key="web")

    return post


async def _spent(post: Post, body: bytes, seconds: float) -> float:
    """Let some callers post for so long; gives the CPU seconds of each request."""
    count = 0
    end = time.perf_counter() + seconds

    async def caller() -> None:
        nonlocal count
        while time.perf_counter() < end:
            await post(body)
            count += 1

    start = time.process_time()
    await asyncio.gather(*(caller() for _ in range(_CALLERS)))
    return (time.process_time() - start) / count


class _Raw:
    """Connections that write a request and read an answer, and do nothing else."""

    def __init__(
        self,
        lines: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]],
        host: str,
        path: str,
    ) -> None:
        self._lines = lines
        self._host = host
        self._path = path

    @classmethod
    async def open(cls, address: str, path: str) -> "_Raw":
        host, _, port = address.rpartition(":")
        opened = [await asyncio.open_connection(host, port) for _ in range(_CALLERS)]
        return cls(opened, address, path)

    async def post(self, body: bytes) -> None:
        reader, writer = line = self._lines.pop()
        head = _HEAD.format(
            path=self._path, host=self._host, token=configured.TOKEN, size=len(body)
        )
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        size = int(answer.lower().partition(b"content-length: ")[2].split(b"\r")[0])
        await reader.readexactly(size)
        self._lines.append(line)

    def close(self) -> None:
        for _, writer in self._lines:
            writer.close()
