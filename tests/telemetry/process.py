"""The service as its own process, with telemetry set up by its environment."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from command import COMMAND


@dataclass
class Served:
    """A service that is running; ``log`` is whole once it has ended."""

    target: str
    process: asyncio.subprocess.Process
    log: str = field(default="")


def settings_file(
    folder: Path, url: str, *, metrics: str = "", outbox: bool = True
) -> Path:
    """Write settings of one connection, ``shop``, for the sandbox at ``url``."""
    file = folder / "tokferry.toml"
    endpoint = f'[server]\nmetrics = "{metrics}"\n' if metrics else ""
    file.write_text(
        f"""
{endpoint}
[tiktok]
base_url = "{url}"
allow_loopback = true

{"[outbox]" if outbox else ""}

[connections.shop]
pixel_id = "C4MADEUPPIXEL0000001"
access_token = {{ file = "token" }}
"""
    )
    return file


@asynccontextmanager
async def served(
    file: Path, environment: Mapping[str, str], *arguments: str
) -> AsyncIterator[Served]:
    """Serve meanwhile, then drain as Ctrl-C does, and read the log."""
    log = file.parent / "log"
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *("serve", "--settings", str(file), "--listen", "127.0.0.1:0"),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=sink,
            env={**os.environ, **environment},
        )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        assert line.startswith(b"listening on "), log.read_text()
        running = Served(line.decode().split()[-1], process)
        yield running
        process.send_signal(2)
        await asyncio.wait_for(process.wait(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    running.log = log.read_text()
    assert process.returncode == 0, running.log
