"""Whether a request may have arrived decides what is done with its events."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import pytest

from tokferry_server.delivery import Timeouts, Transport
from tokferry_server.tiktok.answer import Answer, Failure

PATH = "/open_api/v1.3/event/track/"
OK = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n"
    b'{"code":0}'
)
LONG = 24_000_000
Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter


@pytest.fixture(params=["plain", "tls"])
def tls(request: Any, certificates: Any) -> ssl.SSLContext | None:
    return certificates.localhost if request.param == "tls" else None


@contextlib.asynccontextmanager
async def _to(url: str, certificates: Any, **more: Any) -> AsyncIterator[Transport]:
    async with Transport(
        base_url=url,
        user_agent="tokferry-tests/1",
        allow_loopback=True,
        ssl_context=certificates.client,
        **more,
    ) as transport:
        yield transport


async def _post(transport: Transport, size: int = 2) -> Answer:
    return await transport.post(PATH, "a-made-up-token", b"x" * size, key="shop")


async def _read(reader: Reader) -> bytes:
    """Read one whole request."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return head + await reader.readexactly(length)


def _reset(writer: Writer) -> None:
    linger = struct.pack("ii", 1, 0)
    end = writer.get_extra_info("socket")
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def _close_after_reading(reader: Reader, _writer: Writer) -> None:
    await _read(reader)


async def _close_in_the_middle(reader: Reader, _writer: Writer) -> None:
    await reader.read(1000)


async def _reset_after_reading(reader: Reader, writer: Writer) -> None:
    await _read(reader)
    _reset(writer)


async def _reset_in_the_middle(reader: Reader, writer: Writer) -> None:
    await reader.read(1000)
    _reset(writer)


async def _read_nothing(_reader: Reader, writer: Writer) -> None:
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(9)


async def _answer_nothing(reader: Reader, _writer: Writer) -> None:
    await _read(reader)
    await asyncio.sleep(9)


async def _stop_in_the_head(reader: Reader, writer: Writer) -> None:
    await _read(reader)
    writer.write(OK[:20])
    await writer.drain()
    await asyncio.sleep(9)


async def _close_in_the_head(reader: Reader, writer: Writer) -> None:
    await _read(reader)
    writer.write(OK[:20])


async def _stop_in_the_body(reader: Reader, writer: Writer) -> None:
    await _read(reader)
    writer.write(OK[:-3])
    await writer.drain()
    await asyncio.sleep(9)


async def _close_in_the_body(reader: Reader, writer: Writer) -> None:
    await _read(reader)
    writer.write(OK[:-3])


async def _reset_in_the_body(reader: Reader, writer: Writer) -> None:
    await _read(reader)
    writer.write(OK[:-3])
    await writer.drain()
    await asyncio.sleep(0.1)
    _reset(writer)


async def _endless_head(reader: Reader, writer: Writer) -> None:
    await _read(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Filler: " + b"x" * 1000 + b"\r\n")
        await writer.drain()


@pytest.mark.parametrize(
    ("handle", "want"),
    [
        (_close_after_reading, Answer(failure=Failure.RESET)),
        (_reset_after_reading, Answer(failure=Failure.RESET)),
        (_close_in_the_head, Answer(failure=Failure.RESET)),
        (_endless_head, Answer(failure=Failure.RESET)),
        (_close_in_the_body, Answer(http_status=200, failure=Failure.TRUNCATED)),
        (_reset_in_the_body, Answer(http_status=200, failure=Failure.TRUNCATED)),
    ],
)
async def test_what_has_begun_is_in_doubt(
    serve: Any, tls: Any, certificates: Any, handle: Any, want: Answer
) -> None:
    async with _to(await serve(handle, tls), certificates) as transport:
        assert await _post(transport) == want


@pytest.mark.parametrize(
    ("handle", "size", "want"),
    [
        (_read_nothing, LONG, Answer(failure=Failure.WRITE)),
        (_answer_nothing, 2, Answer(failure=Failure.READ_TIMEOUT)),
        (_stop_in_the_head, 2, Answer(failure=Failure.READ_TIMEOUT)),
        (
            _stop_in_the_body,
            2,
            Answer(http_status=200, failure=Failure.READ_TIMEOUT),
        ),
    ],
)
async def test_what_is_late_is_in_doubt(  # noqa: PLR0913, PLR0917  parameters
    serve: Any, tls: Any, certificates: Any, handle: Any, size: int, want: Answer
) -> None:
    soon = Timeouts(write=0.4, read=0.4)
    url = await serve(handle, tls)
    async with _to(url, certificates, timeouts=soon) as transport:
        assert await _post(transport, size) == want


@pytest.mark.parametrize("handle", [_close_in_the_middle, _reset_in_the_middle])
async def test_a_break_while_sending_is_in_doubt(
    serve: Any, tls: Any, certificates: Any, handle: Any
) -> None:
    async with _to(await serve(handle, tls), certificates) as transport:
        answer = await _post(transport, LONG)
    assert answer.http_status is None
    assert answer.failure in {Failure.WRITE, Failure.RESET}


async def test_an_answer_that_comes_before_the_body_is_read_counts(
    serve: Any, tls: Any, certificates: Any
) -> None:
    refusal = b"HTTP/1.1 413 Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    async def refuse(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(refusal)
        await writer.drain()
        while await reader.read(65536):
            pass

    async with _to(await serve(refuse, tls), certificates) as transport:
        assert await _post(transport, LONG) == Answer(http_status=413)


async def test_an_answer_without_a_length_ends_with_its_connection(
    serve: Any, tls: Any, certificates: Any
) -> None:
    async def answer(reader: Reader, writer: Writer) -> None:
        await _read(reader)
        writer.write(b'HTTP/1.1 200 OK\r\n\r\n{"code":')
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"40002}")

    async with _to(await serve(answer, tls), certificates) as transport:
        assert await _post(transport) == Answer(http_status=200, code=40002)


async def test_interim_answers_are_passed_over(
    serve: Any, tls: Any, certificates: Any
) -> None:
    async def answer(reader: Reader, writer: Writer) -> None:
        await _read(reader)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\n\r\n" + OK)

    async with _to(await serve(answer, tls), certificates) as transport:
        assert await _post(transport) == Answer(http_status=200, code=0)


async def test_an_answer_that_claims_to_be_compressed_is_not_expanded(
    serve: Any, tls: Any, certificates: Any
) -> None:
    async def answer(reader: Reader, writer: Writer) -> None:
        await _read(reader)
        kind = b"Content-Type: application/json\r\nContent-Encoding: gzip\r\n"
        writer.write(
            b"HTTP/1.1 200 OK\r\n" + kind + b"Content-Length: 4\r\n\r\n\x1f\x8b"
        )
        writer.write(b"\x08\x00")

    async with _to(await serve(answer, tls), certificates) as transport:
        assert await _post(transport) == Answer(http_status=200)


async def test_an_unknown_issuer_is_a_certificate_failure(
    serve: Any, certificates: Any
) -> None:
    url = await serve(_close_after_reading, certificates.localhost)
    async with Transport(
        base_url=url, user_agent="tokferry-tests/1", allow_loopback=True
    ) as transport:
        assert await _post(transport) == Answer(failure=Failure.CERTIFICATE)


async def test_another_hosts_certificate_is_a_certificate_failure(
    serve: Any, certificates: Any
) -> None:
    url = await serve(_close_after_reading, certificates.example)
    async with _to(url, certificates) as transport:
        assert await _post(transport) == Answer(failure=Failure.CERTIFICATE)


async def _close_at_once(_reader: Reader, _writer: Writer) -> None:
    pass


async def _reset_at_once(_reader: Reader, writer: Writer) -> None:
    _reset(writer)


async def _speak_no_tls(_reader: Reader, writer: Writer) -> None:
    writer.write(b"SSH-2.0-example\r\n")
    await asyncio.sleep(9)


async def _shake_no_hands(_reader: Reader, _writer: Writer) -> None:
    await asyncio.sleep(9)


@pytest.mark.parametrize(
    ("handle", "failure"),
    [
        (_close_at_once, Failure.TLS),
        (_reset_at_once, Failure.TLS),
        (_speak_no_tls, Failure.TLS),
        (_shake_no_hands, Failure.CONNECT),
    ],
)
async def test_a_handshake_that_fails_is_certain(
    serve: Any, certificates: Any, handle: Any, failure: Failure
) -> None:
    url = (await serve(handle)).replace("http://127.0.0.1", "https://localhost")
    async with _to(url, certificates) as transport:
        assert await _post(transport) == Answer(failure=failure)


async def test_old_tls_is_refused(serve: Any, certificates: Any) -> None:
    url = await serve(_close_at_once, certificates.old)
    async with Transport(
        base_url=url, user_agent="tokferry-tests/1", allow_loopback=True
    ) as transport:
        assert await _post(transport) == Answer(failure=Failure.TLS)


async def test_a_name_that_nobody_knows_is_a_dns_failure(certificates: Any) -> None:
    async def unknown(_host: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    url = "https://localhost:1"
    async with _to(url, certificates, resolve=unknown) as transport:
        assert await _post(transport) == Answer(failure=Failure.DNS)


async def test_a_name_server_that_does_not_answer_is_certain(certificates: Any) -> None:
    async def late(_host: str) -> list[str]:
        await asyncio.sleep(9)
        return []

    more = {"resolve": late, "timeouts": Timeouts(connect=0.4)}
    async with _to("https://localhost:1", certificates, **more) as transport:
        assert await _post(transport) == Answer(failure=Failure.CONNECT)


@pytest.mark.parametrize("size", [2, LONG])
async def test_a_request_is_never_sent_twice(
    serve: Any, tls: Any, certificates: Any, size: int
) -> None:
    requests = []

    async def break_every_second(reader: Reader, writer: Writer) -> None:
        for _ in range(2):
            requests.append(len(await _read(reader)))
            if len(requests) % 2:
                writer.write(OK)

    url = await serve(break_every_second, tls)
    async with _to(url, certificates) as transport:
        answers = [await _post(transport, size) for _ in range(6)]
    assert len(requests) == 6
    assert [answer.code for answer in answers] == [0, None] * 3
    assert {answer.failure for answer in answers[1::2]} == {Failure.RESET}
