import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tokferry_server.delivery import Timeouts, Transport
from tokferry_server.delivery.transport.failures import failure_of
from tokferry_server.sandbox import Fault
from tokferry_server.tiktok.answer import Answer, Failure

PATH = "/open_api/v1.3/event/track/"
BODY = (
    b'{"event_source":"web","event_source_id":"C4MADEUP","data":[{"event":"Search",'
    b'"event_time":1795000000,"event_id":"a"}]}'
)
TOKEN = "a-made-up-token"
Answering = Callable[[bytes], Awaitable[str]]


def _transport(url: str, **settings: Any) -> Transport:
    return Transport(
        base_url=url, user_agent="tokferry-tests/1", allow_loopback=True, **settings
    )


async def _post(transport: Transport, **more: Any) -> Answer:
    return await transport.post(PATH, TOKEN, BODY, key="shop", **more)


@pytest.mark.parametrize(
    ("fault", "want"),
    [
        ({"reply": "handle"}, {"http_status": 200, "code": 0}),
        ({"code": 40100, "status": 401}, {"http_status": 401, "code": 40100}),
        ({"reply": "html", "status": 502}, {"http_status": 502}),
        ({"reply": "html", "status": 302}, {"http_status": 302}),
        (
            {"reply": "html", "status": 429, "retry_after": 9},
            {"http_status": 429, "retry_after": 9},
        ),
        ({"reply": "text"}, {"http_status": 200}),
        (
            {"reply": "truncated"},
            {"http_status": 200, "failure": Failure.TRUNCATED},
        ),
        ({"reply": "reset"}, {"failure": Failure.RESET}),
        ({"reply": "reset_unread"}, {"failure": Failure.RESET}),
    ],
)
async def test_what_comes_back_is_an_answer(
    line: Any, fault: dict[str, Any], want: dict[str, Any]
) -> None:
    line.sandbox.script([Fault(**fault)])
    answer = await _post(line.transport)
    want = {"http_status": None, "code": None, "failure": None, **want}
    assert {name: getattr(answer, name) for name in want} == want
    assert (await _post(line.transport)).code == 0


@pytest.mark.parametrize("timeouts", [Timeouts(read=1)])
async def test_an_answer_that_is_late_is_not_waited_for(line: Any) -> None:
    line.sandbox.script([Fault(reply="handle", delay=5)])
    assert await _post(line.transport) == Answer(failure=Failure.READ_TIMEOUT)
    assert (await _post(line.transport)).code == 0


async def test_the_request_carries_token_agent_and_type() -> None:
    seen = bytearray()

    async def give(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.extend(await reader.read(65536))
        writer.close()

    server = await asyncio.start_server(give, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with _transport(f"http://127.0.0.1:{port}") as transport:
        await _post(transport)
    server.close()
    head, _, body = bytes(seen).partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"post /open_api/v1.3/event/track/ http/1.1"
    assert b"access-token: a-made-up-token" in lines
    assert b"content-type: application/json" in lines
    assert b"user-agent: tokferry-tests/1" in lines
    assert body == BODY


async def test_nobody_listening_is_a_certain_failure() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with _transport(f"http://127.0.0.1:{port}") as transport:
        assert await _post(transport) == Answer(failure=Failure.CONNECT)


async def test_an_endless_answer_is_cut() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(b"HTTP/1.1 502 Bad\r\nContent-Type: application/json\r\n\r\n")
        try:
            while True:
                writer.write(b"[" * 65536)
                await writer.drain()
        except OSError:
            writer.close()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    limits = Timeouts(connect=2, write=2, read=2, attempt=5)
    async with _transport(f"http://127.0.0.1:{port}", timeouts=limits) as transport:
        assert await _post(transport) == Answer(http_status=502)
    server.close()


@pytest.mark.parametrize(
    "answer",
    [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"],
)
async def test_no_http_at_all_is_a_lost_connection(
    answering: Answering, answer: bytes
) -> None:
    async with _transport(await answering(answer)) as transport:
        assert (await _post(transport)).failure is Failure.RESET


async def test_an_answer_that_trickles_ends_with_the_attempt() -> None:
    async def trickle(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.read(65536)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        try:
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        except OSError:
            writer.close()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    limits = Timeouts(connect=1, write=1, read=1, attempt=0.4)
    async with _transport(f"http://127.0.0.1:{port}", timeouts=limits) as transport:
        answer = await asyncio.wait_for(_post(transport), 2)
    server.close()
    assert answer == Answer(http_status=200, failure=Failure.READ_TIMEOUT)


async def test_redirects_are_not_followed(line: Any, answering: Answering) -> None:
    to = f"Location: {line.sandbox.url}{PATH}\r\n"
    head = "HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\n"
    async with _transport(await answering(f"{head}{to}\r\n".encode())) as transport:
        assert (await _post(transport)).http_status == 307
    assert line.sandbox.counts.requests == 0


async def test_proxies_of_the_environment_are_not_used(
    line: Any, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = await answering(b"HTTP/1.1 500 Proxy\r\nContent-Length: 0\r\n\r\n")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy)
    async with _transport(line.sandbox.url) as transport:
        assert (await _post(transport)).code == 0


async def test_a_server_without_a_certificate_is_a_tls_failure(line: Any) -> None:
    url = line.sandbox.url.replace("http:", "https:")
    async with _transport(url) as transport:
        assert (await _post(transport)).failure is Failure.TLS


@pytest.mark.parametrize(
    ("cause", "failure"),
    [
        (ssl.SSLCertVerificationError("x"), Failure.CERTIFICATE),
        (ssl.SSLError("x"), Failure.TLS),
        (socket.gaierror("x"), Failure.DNS),
        (OSError("x"), Failure.CONNECT),
    ],
)
def test_the_cause_of_a_failed_connect_is_named(
    cause: Exception, failure: Failure
) -> None:
    error = httpx.ConnectError("outer")
    error.__cause__ = OSError("middle")
    error.__cause__.__cause__ = cause
    assert failure_of(error) is failure


def test_anything_unforeseen_is_in_doubt() -> None:
    assert failure_of(RuntimeError("x")) is Failure.OTHER


@pytest.mark.parametrize("name", ["httpx", "httpcore", "h11", "hpack"])
async def test_loggers_that_print_headers_are_kept_quiet(name: str) -> None:
    logging.getLogger(name).setLevel(logging.DEBUG)
    _transport("http://127.0.0.1:1")
    assert logging.getLogger(f"{name}.deep").getEffectiveLevel() == logging.WARNING


@pytest.mark.parametrize("agent", ["", "a\r\nX: y", "tök", "x" * 257])
def test_a_user_agent_that_no_header_carries_is_refused(agent: str) -> None:
    with pytest.raises(ValueError, match="user_agent"):
        Transport(base_url="https://business-api.tiktok.com", user_agent=agent)
