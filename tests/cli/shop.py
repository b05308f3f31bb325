"""A folder with settings and a sandbox, and commands that run there."""

import asyncio
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from command import COMMAND
from made_up import batch, purchase
from tokferry_server.sandbox.server import Sandbox

TOKEN = "a-made-up-token"
SETTINGS = """
[tiktok]
base_url = "{url}"
allow_loopback = true
[connections.shop]
pixel_id = "C4MADEUPPIXEL0000001"
access_token = {{ env = "SHOP_TOKEN" }}
"""


@dataclass
class Done:
    """How a command ended."""

    code: int | None
    out: str
    err: str

    @property
    def summary(self) -> Any:
        return json.loads(self.out)

    @property
    def outcomes(self) -> dict[str, int]:
        found: dict[str, int] = self.summary["outcomes"]
        return found


class Shop:
    """A folder with settings, and commands that run in it."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder = folder
        self.sandbox = sandbox
        (folder / "settings.toml").write_text(SETTINGS.format(url=sandbox.url))

    def write(self, name: str, batches: Iterable[Any]) -> Path:
        path = self.folder / name
        lines = (one if isinstance(one, str) else json.dumps(one) for one in batches)
        path.write_text("".join(line + "\n" for line in lines))
        return path

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *COMMAND,
            *arguments,
            cwd=self.folder,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "SHOP_TOKEN": TOKEN},
        )

    async def forward(self, *arguments: str, given: bytes = b"") -> Done:
        process = await self.start("forward", *arguments, "--json")
        return await finished(process, given)

    async def local(self, *arguments: str, given: bytes = b"") -> Done:
        options = ("--local", "--settings", "settings.toml")
        return await self.forward(*arguments, *options, given=given)


async def finished(process: asyncio.subprocess.Process, given: bytes = b"") -> Done:
    out, err = await asyncio.wait_for(process.communicate(given), 90)
    assert b"Traceback" not in err, err.decode()
    assert TOKEN.encode() not in out + err
    return Done(process.returncode, out.decode(), err.decode())


def batches(number: int, *, events: int = 10) -> Iterable[dict[str, Any]]:
    for first in range(0, number * events, events):
        yield batch(*(purchase(first + n) for n in range(events)))


def state_of(shop: Shop) -> Any:
    try:
        return json.loads((shop.folder / "s.json").read_text())
    except FileNotFoundError:
        return None


def batches_done(state: Any) -> int:
    (file,) = state["files"]
    return int(file["done"] + sum(end - first for first, end in file["beyond"]))


async def until_done(shop: Shop, number: int) -> None:
    deadline = time.monotonic() + 60
    while (state := state_of(shop)) is None or batches_done(state) < number:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
