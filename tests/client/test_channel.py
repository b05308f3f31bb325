"""How the clients connect: deadlines, tokens, TLS, proxies, closing."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

import tokferry
from tokferry import AsyncClient, Client
from tokferry._channel import is_loopback
from tokferry.v1.forwarding_service_pb2_grpc import (
    add_ForwardingServiceServicer_to_server,
)

TOKEN = "made-up-token"


async def test_a_call_always_has_a_deadline(call: Any, service: Any) -> None:
    await call("forward", {}, connection="shop")

    assert 25 < service.seconds_left[0] <= 30.5


async def test_the_clients_timeout_is_every_calls_deadline(
    call: Any, service: Any
) -> None:
    client = call.client(timeout=12)

    await call.on(client, "transform", {}, connection="shop")
    await call.on(client, "transform", {}, connection="shop", timeout=3)

    assert 9 < service.seconds_left[0] <= 12.5
    assert 1 < service.seconds_left[1] <= 3.5


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
async def test_a_timeout_that_makes_no_sense_is_refused(
    call: Any, service: Any, seconds: Any
) -> None:
    with pytest.raises(ValueError, match="timeout"):
        call.client(timeout=seconds)
    with pytest.raises(ValueError, match="timeout"):
        await call("describe_connection", "shop", timeout=seconds)

    assert service.requests == []


async def test_the_token_reaches_the_server(call: Any, service: Any) -> None:
    await call.on(call.client(token=TOKEN), "describe_connection", "shop")

    assert service.metadata[0]["authorization"] == f"Bearer {TOKEN}"


async def test_without_a_token_nothing_is_claimed(call: Any, service: Any) -> None:
    await call("describe_connection", "shop")

    assert "authorization" not in service.metadata[0]


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_token_never_travels_in_clear_text(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"clear text to tokferry\.example\.com:443"):
        kind("tokferry.example.com:443", token=TOKEN)


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "naïve"])
def test_a_token_that_is_no_header_is_refused_without_showing_it(token: Any) -> None:
    with pytest.raises(ValueError, match="token") as caught:
        Client(token=token)

    assert not token or token not in str(caught.value)


def test_the_token_is_not_shown() -> None:
    client = AsyncClient(token=TOKEN)

    assert TOKEN not in repr(client)
    assert TOKEN not in repr(client._settings)


@pytest.mark.parametrize(
    "target",
    [
        "127.0.0.1:50051",
        "127.9.9.9:1",
        "localhost:50051",
        "LOCALHOST",
        "[::1]:50051",
        "::1",
        "ipv4:127.0.0.1:50051",
        "ipv4:127.0.0.1:1,127.0.0.2:2",
        "ipv6:[::1]:50051",
        "dns:localhost:50051",
        "dns:///localhost:50051",
        "unix:/run/tokferry.sock",
        "unix:///run/tokferry.sock",
        "unix-abstract:tokferry",
    ],
)
def test_this_machine_is_recognised(target: str) -> None:
    assert is_loopback(target)


@pytest.mark.parametrize(
    "target",
    [
        "tokferry.example.com:443",
        "localhost.example.com:50051",
        "192.0.2.1:50051",
        "0.0.0.0:50051",
        "[2001:db8::1]:50051",
        "ipv4:127.0.0.1:1,192.0.2.1:2",
        "dns://192.0.2.53/localhost:50051",
        "xds:///localhost",
        "unixlike.example.com:1",
        "",
    ],
)
def test_what_might_be_elsewhere_is_not_this_machine(target: str) -> None:
    assert not is_loopback(target)


async def test_a_proxy_of_the_environment_does_not_see_local_calls(
    call: Any, service: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    await call("describe_connection", "shop", timeout=5)

    assert len(service.requests) == 1


async def test_tls_carries_the_token(service: Any, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate of this test")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    # fmt: off
    await asyncio.to_thread(subprocess.run, [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
        "-keyout", str(key), "-out", str(certificate),
    ], check=True, capture_output=True)
    # fmt: on
    server = grpc.aio.server()
    add_ForwardingServiceServicer_to_server(service, server)
    pair = (key.read_bytes(), certificate.read_bytes())
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    await server.start()
    trusted = grpc.ssl_channel_credentials(certificate.read_bytes())

    async with AsyncClient(f"localhost:{port}", token=TOKEN, tls=trusted) as client:
        await client.describe_connection("shop")
    async with AsyncClient(f"localhost:{port}", token=TOKEN, tls=True) as client:
        with pytest.raises(tokferry.Unavailable):
            await client.describe_connection("shop", timeout=5)
    await server.stop(None)

    assert [m["authorization"] for m in service.metadata] == [f"Bearer {TOKEN}"]


async def test_a_closed_client_refuses_calls(call: Any) -> None:
    client = call.client()
    await call.on(client, "describe_connection", "shop")
    await call.on(client, "close")

    with pytest.raises(ValueError, match="closed"):
        await call.on(client, "describe_connection", "shop")


async def test_closing_twice_is_harmless(call: Any) -> None:
    client = call.client()
    await call.on(client, "describe_connection", "shop")

    await call.on(client, "close")
    await call.on(client, "close")


async def test_leaving_the_block_closes(target: str) -> None:
    async with AsyncClient(target) as client:
        await client.describe_connection("shop")
    with Client(target) as blocking:
        await asyncio.to_thread(blocking.describe_connection, "shop")

    with pytest.raises(ValueError, match="closed"):
        await client.describe_connection("shop")
    with pytest.raises(ValueError, match="closed"):
        await asyncio.to_thread(blocking.describe_connection, "shop")


async def test_two_clients_have_connections_of_their_own(
    call: Any, service: Any
) -> None:
    first, second = call.client(), call.client()
    peers = set()

    async def reply(context: Any) -> None:
        peers.add(context.peer())

    service.script = [reply, reply]
    await call.on(first, "describe_connection", "shop")
    await call.on(second, "describe_connection", "shop")

    assert len(peers) == 2


async def test_many_calls_may_be_under_way_at_once(call: Any, service: Any) -> None:
    client = call.client()
    names = [f"shop-{n}" for n in range(40)]

    await asyncio.gather(
        *(call.on(client, "describe_connection", name) for name in names)
    )

    assert {request.connection for request in service.requests} == set(names)


def test_a_client_may_be_made_before_the_loop_runs() -> None:
    client = AsyncClient("127.0.0.1:1")

    async def use() -> None:
        with pytest.raises(tokferry.Unavailable):
            await client.describe_connection("shop", timeout=5)
        await client.close()

    asyncio.run(use())
