"""Connections are kept as long as they are good, and no longer."""

import asyncio
from typing import Any

import httpx
import pytest

from tokferry_server.delivery import Timeouts, Transport
from tokferry_server.delivery.address import check_base_url
from tokferry_server.delivery.transport import lanes
from tokferry_server.delivery.transport.dial import Dialer, resolve
from tokferry_server.tiktok.answer import Answer

PATH = "/open_api/v1.3/event/track/"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n"
BODY = b'\r\n{"code":0}'


class Peer:
    """Answers ``head`` and a body to each request, then does ``then``."""

    def __init__(self, head: bytes = OK, then: bytes | None = b"") -> None:
        self.head = head
        self.then = then
        self.connections = 0
        self.closed = 0

    async def __call__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        while await reader.read(65536):
            writer.write(self.head + BODY)
            await writer.drain()
            if self.then is None:
                break
            await asyncio.sleep(0.01)
            writer.write(self.then)
        self.closed += 1


def _to(url: str, **more: Any) -> Transport:
    return Transport(
        base_url=url,
        user_agent="tokferry-tests/1",
        allow_loopback=True,
        timeouts=Timeouts(connect=1, write=1, read=1, attempt=2),
        **more,
    )


async def _post(transport: Transport) -> Answer:
    return await transport.post(PATH, "a-made-up-token", b"{}", key="shop")


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    ("peer", "connections"),
    [
        (Peer(), 1),
        (Peer(OK + b"Connection: close\r\n"), 3),
        (Peer(OK.replace(b"1.1", b"1.0")), 3),
        (Peer(then=None), 3),
        (Peer(then=OK + BODY), 3),
    ],
    ids=["kept", "said to close", "HTTP/1.0", "closed", "answers unasked"],
)
async def test_a_connection_is_used_again_if_it_is_good(
    serve: Any, certificates: Any, peer: Peer, connections: int, tls: bool
) -> None:
    peer = Peer(peer.head, peer.then)
    url = await serve(peer, certificates.localhost if tls else None)
    async with _to(url, ssl_context=certificates.client) as transport:
        for _ in range(3):
            assert (await _post(transport)).code == 0
            await asyncio.sleep(0.05)
    assert peer.connections == connections


async def test_a_connection_that_idled_long_is_not_used(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = Peer()
    async with _to(await serve(peer)) as transport:
        await _post(transport)
        monkeypatch.setattr(lanes, "_KEEP_IDLE_S", 0.02)
        await asyncio.sleep(0.05)
        await _post(transport)
    assert peer.connections == 2


async def test_after_a_peak_the_connections_too_many_are_closed(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_KEEP_IDLE_S", 0.1)
    peer = Peer()
    async with _to(await serve(peer)) as transport:
        await asyncio.gather(*[_post(transport) for _ in range(5)])
        assert peer.connections == 5
        for _ in range(10):
            await _post(transport)
            await asyncio.sleep(0.02)
        assert (peer.connections, peer.closed) == (5, 4)


async def test_an_answer_cut_short_ends_its_connection(serve: Any) -> None:
    long = OK.replace(b"10", b"3000000")
    peer = Peer(long, b" " * 3_000_000)
    async with _to(await serve(peer)) as transport:
        await _post(transport)
        await _post(transport)
    assert peer.connections == 2


async def test_leaving_closes_every_connection(serve: Any) -> None:
    peer = Peer()
    async with _to(await serve(peer)) as transport:
        await asyncio.gather(*[_post(transport) for _ in range(3)])
    await asyncio.sleep(0.05)
    assert (peer.connections, peer.closed) == (3, 3)


@pytest.mark.parametrize("value", ["a\r\nX-More: b", "a\nX-More: b", "a\rb", "a\0b"])
async def test_a_header_that_would_be_two_is_not_sent(value: str) -> None:
    base = check_base_url("http://127.0.0.1:1", allow_loopback=True)
    request = httpx.Request("POST", base.text, headers={"Access-Token": value})
    request.extensions["timeout"] = {"connect": 1, "write": 1, "read": 1}
    with pytest.raises(httpx.LocalProtocolError):
        await lanes.Lanes(Dialer(base, None, resolve)).handle_async_request(request)
