"""The server as its own process: it starts, serves, and drains on a signal."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from command import COMMAND
from made_up import batch, purchase
from tokferry import AsyncClient
from tokferry_server.sandbox.faults import Fault
from tokferry_server.sandbox.server import Sandbox

TOKEN = "a-made-up-token"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(token=TOKEN) as running:
        yield running


def settings_file(folder: Path, url: str) -> Path:
    file = folder / "tokferry.toml"
    file.write_text(
        f"""
[tiktok]
base_url = "{url}"
allow_loopback = true

[connections.shop]
pixel_id = "C4MADEUPPIXEL0000001"
access_token = {{ env = "SHOP_TOKEN" }}
"""
    )
    return file


async def started(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *COMMAND,
        "serve",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "SHOP_TOKEN": TOKEN},
    )


async def port_of(process: asyncio.subprocess.Process) -> int:
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
    found = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", line)
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_after_the_calls_under_way(
    sandbox: Sandbox, tmp_path: Path, number: signal.Signals
) -> None:
    file = settings_file(tmp_path, sandbox.url)
    process = await started("--settings", str(file), "--listen", "127.0.0.1:0")
    async with AsyncClient(f"127.0.0.1:{await port_of(process)}") as client:
        first = await client.forward(batch(purchase(1)), connection="shop")
        assert first.totals.delivered == 1
        sandbox.script([Fault(reply="handle", delay=0.5)])
        slow = asyncio.ensure_future(
            client.forward(batch(purchase(2)), connection="shop")
        )
        await asyncio.sleep(0.2)
        process.send_signal(number)
        assert (await slow).totals.delivered == 1
    out, err = await asyncio.wait_for(process.communicate(), 40)
    assert (process.returncode, out) == (0, b"")
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["message"] for line in lines] == [
        "starting",
        "ready",
        "draining",
        "stopped",
    ]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--settings", "missing.toml"), "missing.toml"),
        (("--settings", "SETTINGS", "--listen", "0.0.0.0:0"), "[server.tls]"),
    ],
)
async def test_what_cannot_be_served_is_said_without_a_traceback(
    sandbox: Sandbox, tmp_path: Path, arguments: tuple[str, ...], text: str
) -> None:
    file = settings_file(tmp_path, sandbox.url)
    given = (str(file) if word == "SETTINGS" else word for word in arguments)
    process = await started(*given)
    _, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    assert text in err.decode()
    assert "Traceback" not in err.decode()


async def test_a_port_in_use_is_said(sandbox: Sandbox, tmp_path: Path) -> None:
    file = settings_file(tmp_path, sandbox.url)
    taken = sandbox.url.removeprefix("http://")
    process = await started("--settings", str(file), "--listen", taken)
    _, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    assert "cannot listen" in err.decode()
