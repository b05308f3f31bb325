"""TLS: who gets through, in which versions, and while certificates are replaced."""

import asyncio
import json
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509

from command import COMMAND
from made_up import batch, purchase
from rpc.authority import Authority, Pair
from rpc.raw_calls import channel_to, ended, path
from tokferry import AsyncClient, Client, Tls, Unauthenticated
from tokferry.v1 import forwarding_service_pb2
from tokferry_server.rpc.service import ForwardingService
from tokferry_server.rpc.tls import Certificates
from tokferry_server.settings import TlsSettings

TOKEN = "a-made-up-token-of-a-caller"
DESCRIBE = forwarding_service_pb2.DESCRIPTOR.services_by_name[
    "ForwardingService"
].methods_by_name["DescribeConnection"]
EXPIRED = timedelta(days=-1)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the list of the connections that a handler was asked for."""
    names: list[str] = []
    handler = ForwardingService.DescribeConnection

    async def spy(service: Any, request: Any, context: Any) -> Any:
        names.append(request.connection)
        return await handler(service, request, context)

    monkeypatch.setattr(ForwardingService, "DescribeConnection", spy)
    return names


def tls_of(pair: Pair, client_ca: Path | None = None) -> dict[str, Any]:
    tables = {"certificate": str(pair.certificate), "key": str(pair.key)}
    return {
        "tls": tables if client_ca is None else {**tables, "client_ca": str(client_ca)}
    }


def known_by(certificate: str, name: str = "orders") -> dict[str, Any]:
    return {
        "name": name,
        "certificate": certificate,
        "connections": ["shop"],
        "rights": ["transform"],
    }


async def describe(target: str, tls: Any, **more: Any) -> None:
    async with AsyncClient(target, tls=tls, timeout=5, **more) as client:
        await client.describe_connection("shop")


def shown(authority: Authority, pair: Pair) -> Tls:
    return Tls(authorities=authority.file, certificate=pair.certificate, key=pair.key)


async def refused(target: str, tls: Tls | None, *metadata: tuple[str, str]) -> None:
    """See that there is no connection, with one try."""
    credentials = None if tls is None else tls.credentials()
    async with channel_to(target, credentials) as channel:
        found = await ended(channel, path(DESCRIBE), b"", metadata)
    assert found.code == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("DNS:orders.example.com", {"dns": "orders.example.com"}),
        ("URI:spiffe://example.com/orders", {"uri": "spiffe://example.com/orders"}),
        ("CN=orders", {"common_name": "orders", "dns": None}),
    ],
)
async def test_a_caller_is_known_by_its_certificate(
    start: Any, authority: Authority, name: str, made: dict[str, Any]
) -> None:
    server = tls_of(authority.pair("server"), authority.file)
    running = await start(server={**server, "principals": [known_by(name)]})
    await describe(running.target, shown(authority, authority.pair("me", **made)))


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("DNS:orders.example.com", {"dns": "orders.example.com.evil.example"}),
        ("DNS:orders.example.com", {"dns": "*.example.com"}),
        ("DNS:orders.example.com", {"common_name": "orders.example.com"}),
        ("DNS:orders.example.com", {"common_name": "DNS:orders.example.com"}),
        ("CN=orders", {"dns": "orders"}),
        ("CN=orders", {"common_name": "Orders"}),
        ("CN=orders", {"uri": "CN=orders"}),
        ("URI:spiffe://example.com/orders", {"uri": "spiffe://example.com/order"}),
    ],
)
async def test_a_certificate_with_another_name_is_nobodys(
    start: Any,
    authority: Authority,
    described: list[str],
    name: str,
    made: dict[str, Any],
) -> None:
    server = tls_of(authority.pair("server"), authority.file)
    running = await start(server={**server, "principals": [known_by(name)]})
    with pytest.raises(Unauthenticated, match="certificate is nobody's"):
        await describe(running.target, shown(authority, authority.pair("me", **made)))
    assert not described


async def test_without_a_good_certificate_there_is_no_connection(
    start: Any, authority: Authority, described: list[str], tmp_path: Path
) -> None:
    server = tls_of(authority.pair("server"), authority.file)
    principals = [known_by("CN=orders")]
    running = await start(server={**server, "principals": principals})
    (tmp_path / "foreign").mkdir()
    stranger = Authority(tmp_path / "foreign")
    for pair in (
        authority.pair("expired", common_name="orders", valid=EXPIRED),
        stranger.pair("foreign", common_name="orders"),
    ):
        await refused(running.target, shown(authority, pair))
    await refused(running.target, Tls(authorities=authority.file))  # without any
    await refused(running.target, None)  # in clear text
    assert not described


async def test_a_client_sends_no_token_to_a_server_that_it_cannot_trust(
    start: Any, authority: Authority, described: list[str], tmp_path: Path
) -> None:
    trusted = Tls(authorities=authority.file)
    (tmp_path / "foreign").mkdir()
    stranger = Authority(tmp_path / "foreign")
    for pair in (
        authority.pair("expired", valid=EXPIRED),
        authority.pair("wrong-name", dns="elsewhere.example.com"),
        stranger.pair("server"),
    ):
        running = await start(server=tls_of(pair))
        await refused(running.target, trusted, ("authorization", f"Bearer {TOKEN}"))
    assert not described


async def test_tokens_travel_over_tls_from_both_clients(
    start: Any, authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "orders").write_text(TOKEN)
    principal = {**known_by("CN=x"), "tokens": [{"file": str(tmp_path / "orders")}]}
    del principal["certificate"]
    server = {**tls_of(authority.pair("server")), "principals": [principal]}
    running = await start(server=server)
    trusted = Tls(authorities=authority.file)
    await describe(running.target, trusted, token=TOKEN)
    with Client(running.target, tls=trusted, token=TOKEN) as client:
        await asyncio.to_thread(client.describe_connection, "shop")
    with pytest.raises(Unauthenticated):
        await describe(running.target, trusted)


async def test_the_command_forwards_over_tls_with_a_certificate_and_a_token(
    start: Any, authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "orders").write_text(TOKEN)
    principal = {
        "name": "orders",
        "tokens": [{"file": str(tmp_path / "orders")}],
        "connections": ["shop"],
        "rights": ["transform", "forward"],
    }
    server = tls_of(authority.pair("server"), authority.file)
    running = await start(server={**server, "principals": [principal]})
    me = authority.pair("me")
    (tmp_path / "one.json").write_text(json.dumps(batch(purchase())))

    async def forward(*more: str, **variables: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *("forward", str(tmp_path / "one.json"), "--connection", "shop"),
            *("--target", running.target, "--ca", str(authority.file)),
            *("--certificate", str(me.certificate), "--key", str(me.key), *more),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **variables},
        )
        _, err = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode, err.decode()

    code, err = await forward()
    assert (code, "UNAUTHENTICATED" in err) == (2, True)
    assert (await forward("--token-file", str(tmp_path / "orders")))[0] == 0
    assert (await forward(TOKFERRY_TOKEN=TOKEN))[0] == 0
    code, err = await forward("--token-file", str(tmp_path / "missing"))
    assert (code, "missing: No such file" in err) == (2, True)
    assert len(running.sandbox.events) >= 1


@pytest.mark.parametrize(
    ("version", "spoken"),
    [
        (ssl.TLSVersion.TLSv1, False),
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
async def test_nothing_older_than_tls_1_2_is_spoken(
    start: Any, authority: Authority, version: ssl.TLSVersion, spoken: bool
) -> None:
    pair = authority.pair("server")
    running = await start(server=tls_of(pair))
    context = ssl.create_default_context(cafile=authority.file)
    context.set_ciphers("ALL:@SECLEVEL=0")  # else our own side would refuse
    context.minimum_version = context.maximum_version = version
    async with lax_server(pair) as port:  # it is not our own side that refuses
        assert await version_spoken(f"localhost:{port}", context) == version
    context.set_alpn_protocols(["h2"])
    if spoken:
        assert await version_spoken(running.target, context) == version
    else:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await version_spoken(running.target, context)


@asynccontextmanager
async def lax_server(pair: Pair) -> AsyncIterator[int]:
    """Give the port of a server that speaks every version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(
        close, "localhost", 0, ssl=context, family=socket.AF_INET
    ) as server:
        yield server.sockets[0].getsockname()[1]


async def version_spoken(target: str, context: ssl.SSLContext) -> ssl.TLSVersion:
    host, port = target.split(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    spoken = writer.get_extra_info("ssl_object").version()
    writer.close()
    return ssl.TLSVersion[spoken.replace(".", "_")]


def replace(old: Pair, new: Pair, *parts: str) -> None:
    for part in parts or ("key", "certificate"):
        getattr(new, part).replace(getattr(old, part))


async def certificate_of(target: str, authority: Authority) -> int:
    """Give the serial number of what the server shows to a new connection."""
    context = ssl.create_default_context(cafile=authority.file)
    context.set_alpn_protocols(["h2"])
    host, port = target.split(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(found).serial_number


async def test_certificates_are_replaced_under_load_without_a_failed_call(
    start: Any, authority: Authority
) -> None:
    pair = authority.pair("server")
    running = await start(server=tls_of(pair))
    trusted = Tls(authorities=authority.file)
    over = False
    calls = 0

    async def call_on_new_connections() -> None:
        nonlocal calls
        while not over:
            await describe(running.target, trusted)
            calls += 1

    async def call_on_one() -> None:
        nonlocal calls
        async with AsyncClient(running.target, tls=trusted) as client:
            while not over:
                await client.describe_connection("shop", timeout=5)
                calls += 1

    load = asyncio.gather(call_on_one(), *(call_on_new_connections() for _ in range(4)))
    seen = {await certificate_of(running.target, authority)}
    for number in range(3):
        new = authority.pair(f"new-{number}")
        replace(pair, new, "key")  # for a moment they do not fit together
        await asyncio.sleep(0.1)
        assert await certificate_of(running.target, authority) in seen
        replace(pair, new, "certificate")
        seen.add(await certificate_of(running.target, authority))
        await asyncio.sleep(0.1)
    over = True
    await load
    assert len(seen) == 4
    assert calls > 20


async def test_authorities_of_clients_are_replaced(
    start: Any, authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "next").mkdir()
    next_one = Authority(tmp_path / "next")
    server = tls_of(authority.pair("server"), authority.file)
    principals = [known_by("CN=orders")]
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(authority.file.read_bytes())
    running = await start(server={**server, "principals": principals})
    pair = next_one.pair("me", common_name="orders")
    me = Tls(authorities=trusted, certificate=pair.certificate, key=pair.key)
    await refused(running.target, me)
    authority.file.write_bytes(next_one.file.read_bytes())
    await describe(running.target, me)


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda pair, _: pair.key.unlink(), "server.key: No such file"),
        (lambda pair, _: pair.certificate.write_text("no PEM"), "cannot be used"),
        (lambda pair, other: replace(pair, other, "key"), "key values mismatch"),
    ],
)
def test_files_that_cannot_be_used_start_no_server(
    authority: Authority, spoil: Any, text: str
) -> None:
    pair = authority.pair("server")
    spoil(pair, authority.pair("other"))
    with pytest.raises(OSError, match=text):
        Certificates(TlsSettings(certificate=pair.certificate, key=pair.key))


def test_a_certificate_without_its_key_is_refused() -> None:
    with pytest.raises(ValueError, match="belong together"):
        Tls(certificate="me.pem")


def test_files_of_a_client_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"ca\.pem"):
        Client("localhost:1", tls=Tls(authorities=tmp_path / "ca.pem"))
