"""Processes that a fork server starts, which are ready in a fraction of the time."""

import asyncio
import atexit
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent
_STATUS: Final = re.compile(rb"status (-?\d+)\n")


class Forked:
    """One process of the fork server: what asyncio's own processes do, it does, too."""

    def __init__(
        self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout = asyncio.StreamReader()
        self._writer = writer
        self._reading = asyncio.create_task(self._read(reader))

    @classmethod
    async def start(
        cls, script: Path, *arguments: str, environment: Mapping[str, str], errors: Path
    ) -> "Forked":
        """Run a script; what it complains of goes to a file."""
        reader, writer = await asyncio.open_unix_connection(server())
        task = {
            "script": str(script),
            "arguments": arguments,
            "environment": dict(environment),
            "errors": str(errors),
        }
        writer.write(json.dumps(task).encode() + b"\n")
        return cls(int(await reader.readline()), reader, writer)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            if status := _STATUS.fullmatch(line):
                self.returncode = int(status[1])
                break
            self.stdout.feed_data(line)
        self.stdout.feed_eof()
        self._writer.close()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def wait(self) -> int:
        """Wait for the end; gives the exit status."""
        await asyncio.shield(self._reading)
        if self.returncode is None:
            raise RuntimeError("the fork server is gone")
        return self.returncode


@cache
def server() -> str:
    """Give the socket of the fork server, which ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="forks-"))
    path = str(folder / "socket")
    process = subprocess.Popen(
        [sys.executable, str(_HERE / "fork_server.py"), path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )

    def end() -> None:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    assert process.stdout is not None
    if process.stdout.readline() != b"listening\n":
        raise RuntimeError("the fork server did not start")
    return path
