"""No answer leaves the server before the disk has what it answers for."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command import COMMAND
from made_up import batch, purchase
from outbox.traced import CALLS, Checker, strace
from tokferry import AsyncClient
from tokferry_server.sandbox.server import Sandbox

TOKEN = "a-made-up-token"
LOG = '7 openat(AT_FDCWD, "/state/outbox.db-wal", O_RDWR|O_CREAT, 0600) = 9'
WRITE = r'7 pwrite64(9, "\0\7message-0000001\3", 4096, 32) = 4096'
ANSWER = r'8 sendmsg(5, {msg_iov=[{iov_base="\n\17message-0000001"}]}, 0) = 30'


def settings_file(folder: Path, url: str) -> Path:
    file = folder / "tokferry.toml"
    file.write_text(
        f"""
[server]
state_dir = "state"
[tiktok]
base_url = "{url}"
allow_loopback = true
[outbox]
[connections.shop]
pixel_id = "C4MADEUPPIXEL0000001"
access_token = {{ env = "SHOP_TOKEN" }}
"""
    )
    return file


async def answered_under(folder: Path, number: int) -> Path:
    """Have a traced server answer so many chunks; gives the trace."""
    trace = folder / "trace"
    async with Sandbox(token=TOKEN) as sandbox:
        file = settings_file(folder, sandbox.url)
        arguments = ["-f", "-s", "9000", "-e", f"trace={CALLS}", "-o", str(trace)]
        process = await asyncio.create_subprocess_exec(
            *(strace(), *arguments, "-e", "signal=none", *COMMAND),
            *("serve", "--settings", str(file), "--listen", "127.0.0.1:0"),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "SHOP_TOKEN": TOKEN},
        )
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
        found = re.fullmatch(r"listening on (\S+)\n", line)
        assert found is not None, line
        async with AsyncClient(found[1]) as client:
            stream = client.forward_stream(
                chunks(number), connection="shop", mode="durable", chunk_events=1
            )
            done = [chunk async for chunk in stream]
        server = int(trace.open().readline().split()[0])
        os.kill(server, signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 60)
    assert len(done) == number
    return trace


def chunks(number: int) -> Iterator[dict[str, Any]]:
    for one in range(number):
        name = f"message-{one:07}"
        yield batch(purchase(one, source_message_id=name))


async def check(folder: Path, number: int) -> None:
    trace = await answered_under(folder, number)
    checker = Checker()
    with trace.open(errors="replace") as file:
        checker.read(file)
    assert len(checker.answered) == number
    assert checker.early == set()
    assert checker.syncs > number / 100


async def test_each_answer_comes_after_its_sync(tmp_path: Path) -> None:
    await check(tmp_path, 300)


@pytest.mark.gate
@pytest.mark.timeout(400)
async def test_each_of_10000_answers_comes_after_its_sync(tmp_path: Path) -> None:
    await check(tmp_path, 10_000)


@pytest.mark.parametrize(
    ("lines", "early"),
    [
        ([LOG, WRITE, "7 fdatasync(9) = 0", ANSWER], False),
        ([LOG, WRITE, ANSWER, "7 fdatasync(9) = 0"], True),
        ([LOG, "7 fdatasync(9) = 0", WRITE, ANSWER], True),
        ([LOG, WRITE, "7 fdatasync(6) = 0", ANSWER], True),
        ([LOG, WRITE, "7 fdatasync(9) = -1 EIO (Input/output error)", ANSWER], True),
        (
            [
                LOG,
                WRITE,
                "7 fdatasync(9 <unfinished ...>",
                ANSWER,
                "7 <... fdatasync resumed>) = 0",
            ],
            True,
        ),
        (
            [
                LOG,
                "7 fdatasync(9 <unfinished ...>",
                WRITE.replace("7 ", "6 ", 1),
                "7 <... fdatasync resumed>) = 0",
                ANSWER,
            ],
            True,
        ),
    ],
)
def test_the_checker_notices_answers_before_their_sync(
    lines: list[str], early: bool
) -> None:
    checker = Checker()
    checker.read(lines)
    assert checker.early == ({"0000001"} if early else set())
