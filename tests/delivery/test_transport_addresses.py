"""Names may lead anywhere, connections may not."""

import asyncio
import socket
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tokferry_server.delivery import Timeouts, Transport
from tokferry_server.delivery.destination import may_connect
from tokferry_server.delivery.transport import dial
from tokferry_server.tiktok.answer import Answer, Failure

ROWS = tomllib.loads(Path(__file__).with_name("addresses.toml").read_text("utf-8"))
PATH = "/open_api/v1.3/event/track/"
TIKTOK = "https://business-api.tiktok.com"
FORBIDDEN = Answer(failure=Failure.FORBIDDEN_ADDRESS)
Attempts = list[tuple[str, int]]


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> Attempts:
    """Count the connections that are begun, and let each of them fail."""
    begun: Attempts = []

    async def connect(address: str, port: int) -> socket.socket:
        begun.append((address, port))
        raise ConnectionRefusedError

    monkeypatch.setattr(dial, "_connect", connect)
    return begun


async def _post(base_url: str, *found: list[str], **more: Any) -> list[Answer]:
    """Post once for each list of addresses that the name leads to, one by one."""
    answers = iter(found)

    async def resolve(_host: str) -> list[str]:
        return next(answers)

    async with Transport(
        base_url=base_url, user_agent="tokferry-tests/1", resolve=resolve, **more
    ) as transport:
        return [
            await transport.post(PATH, "a-made-up-token", b"{}", key="shop")
            for _ in found
        ]


@pytest.mark.parametrize("address", [row[0] for row in ROWS["refused"]])
async def test_no_connection_goes_there(attempts: Attempts, address: str) -> None:
    assert await _post(TIKTOK, [address]) == [FORBIDDEN]
    local = await _post("http://localhost", [address], allow_loopback=True)
    assert local == [FORBIDDEN]
    assert attempts == []


@pytest.mark.parametrize("address", [row[0] for row in ROWS["loopback"]])
async def test_this_machine_is_for_a_base_url_of_its_own(
    attempts: Attempts, address: str
) -> None:
    assert await _post(TIKTOK, [address], allow_loopback=True) == [FORBIDDEN]
    assert attempts == []
    await _post("http://localhost:81", [address], allow_loopback=True)
    assert attempts == [(address, 81)]


@pytest.mark.parametrize("address", [row[0] for row in ROWS["allowed"]])
async def test_the_rest_of_the_world_is_reached(
    attempts: Attempts, address: str
) -> None:
    assert await _post(TIKTOK, [address]) == [Answer(failure=Failure.CONNECT)]
    assert attempts == [(address, 443)]
    assert not may_connect(address, loopback=True)


@pytest.mark.parametrize("url", ROWS["base_urls"])
def test_no_base_url_leads_elsewhere(url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        Transport(base_url=url, user_agent="tokferry-tests/1")


async def test_every_address_of_a_name_is_judged(attempts: Attempts) -> None:
    await _post(TIKTOK, ["10.0.0.1", "1.1.1.1", "::1", "fd00::1", "1.0.0.1"])
    assert attempts == [("1.1.1.1", 443), ("1.0.0.1", 443)]


async def test_a_name_that_changes_is_judged_each_time(attempts: Attempts) -> None:
    answers = await _post(TIKTOK, ["1.1.1.1"], ["169.254.169.254"], ["1.1.1.1"])
    assert answers[1] == FORBIDDEN
    assert attempts == [("1.1.1.1", 443)] * 2


async def test_the_name_is_looked_up_once_for_a_connection(
    line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: looked_up.append(1))

    async def resolve(_host: str) -> list[str]:
        return ["127.0.0.1"]

    url = line.sandbox.url.replace("127.0.0.1", "localhost")
    async with Transport(
        base_url=url, user_agent="tests", resolve=resolve, allow_loopback=True
    ) as transport:
        answer = await transport.post(PATH, "a-made-up-token", b"{}", key="shop")
    assert answer.http_status == 200
    assert looked_up == []


async def test_the_system_is_asked_for_addresses() -> None:
    assert set(await dial.resolve("localhost")) <= {"127.0.0.1", "::1"}
    assert await dial.resolve("127.1") == ["127.0.0.1"]


async def test_proxies_of_the_environment_see_nothing(
    line: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    async def proxy(_reader: Any, _writer: Any) -> None:
        seen.append(1)

    url = await serve(proxy)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, url)
        monkeypatch.setenv(name.lower(), url)
    await _post(line.sandbox.url, ["127.0.0.1"], allow_loopback=True)
    assert (seen, line.sandbox.counts.requests) == ([], 1)


async def test_an_address_that_is_silent_does_not_hold_up_the_next(
    line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = dial._connect
    cancelled = []

    async def connect(address: str, port: int) -> socket.socket:
        if address == "127.0.0.1":
            return await real(address, port)
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            cancelled.append(address)
            raise
        raise AssertionError

    monkeypatch.setattr(dial, "_connect", connect)
    silent = ["::1", "127.0.0.2"]
    [answer] = await _post(
        line.sandbox.url,
        [*silent, "127.0.0.1"],
        allow_loopback=True,
        timeouts=Timeouts(connect=2),
    )
    assert answer.http_status == 200
    assert set(cancelled) == set(silent)


async def test_an_address_that_refuses_gives_way_at_once(line: Any) -> None:
    [answer] = await _post(
        line.sandbox.url,
        ["127.0.0.2", "127.0.0.3", "127.0.0.1"],
        allow_loopback=True,
        timeouts=Timeouts(connect=0.2),
    )
    assert answer.http_status == 200
