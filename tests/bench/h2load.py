"""h2load, a caller that is made elsewhere and costs little: what it is told, and says.

https://nghttp2.org/documentation/h2load.1.html
"""

import asyncio
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE
from typing import Final

from bench.calls import Called

PROGRAM: Final = "h2load"
INSTALL: Final = "apt-get install nghttp2-client"
PREFIX: Final = 5
"""The bytes before each message: https://grpc.io/docs/guides/wire-flow-control/"""
_TOOK: Final = re.compile(r"finished in ([\d.]+)(us|ms|s),")
_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_DONE: Final = re.compile(
    r"(\d+) started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored"
)
_DATA: Final = re.compile(r"\((\d+)\) data")


def is_here() -> bool:
    """Say whether it is installed."""
    return shutil.which(PROGRAM) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What it reports of a run.

    ``answered`` counts answers of HTTP, whatever gRPC's status is in them;
    ``latencies`` are theirs, in seconds. ``data`` are the bytes of all messages.
    ``failed`` were answered by a reset, or not at all.
    """

    seconds: float
    started: int
    answered: int
    failed: int
    data: int
    latencies: list[float] = field(repr=False)

    def good(self, answer_bytes: int) -> int:
        """Count the calls that ended in OK, if each of these has so long an answer.

        Every answer of gRPC is HTTP 200, and an error is one without a message.
        """
        return self.data // (answer_bytes + PREFIX)

    @property
    def called(self) -> Called:
        """The times of the calls, as other callers give them."""
        return Called(self.seconds, self.latencies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The same call over and over, on so many connections, each with so many at once.

    ``path`` names the method, as HTTP/2 has it; ``message`` is the request.
    """

    address: str
    path: str
    message: bytes = field(repr=False)
    connections: int
    streams: int
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)

    async def run(self, *amount: str) -> Said:
        """Call as often or as long as h2load's options in ``amount`` say.

        Raises:
            RuntimeError: it could not do so.
        """
        with tempfile.TemporaryDirectory(prefix="tokferry-h2load-") as folder:
            log = Path(folder, "log")
            process = await asyncio.create_subprocess_exec(
                *(PROGRAM, "-c", str(self.connections), "-m", str(self.streams)),
                *(*amount, "--data", self._written(folder), "--log-file", str(log)),
                *(f"-H{name}: {value}" for name, value in self._headers()),
                f"http://{self.address}{self.path}",
                stdout=PIPE,
            )
            try:
                text, _ = await process.communicate()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            return _read(text.decode(), log)

    def _written(self, folder: str) -> str:
        body = Path(folder, "body")
        body.write_bytes(b"\0" + len(self.message).to_bytes(4) + self.message)
        return str(body)

    def _headers(self) -> Iterator[tuple[str, str]]:
        yield "te", "trailers"
        yield "content-type", "application/grpc"
        yield from self.metadata.items()


def _read(text: str, log: Path) -> Said:
    took, done, data = (one.search(text) for one in (_TOOK, _DONE, _DATA))
    if took is None or done is None or data is None:
        raise RuntimeError(f"{PROGRAM} says something unforeseen:\n{text}")
    rows = (line.split("\t") for line in log.read_text().splitlines())
    return Said(
        seconds=float(took[1]) * _UNITS[took[2]],
        started=int(done[1]),
        answered=int(done[3]),
        failed=int(done[4]) + int(done[5]),
        data=int(data[1]),
        latencies=[int(micros) / 1e6 for _, status, micros in rows if status == "200"],
    )


async def calls(load: Load, *, count: int, answer_bytes: int) -> Called:
    """Make so many calls; all of them must end in OK, with an answer of that length.

    Raises:
        RuntimeError: some did not.
    """
    said = await load.run("-n", str(count))
    if said.data != count * (answer_bytes + PREFIX):
        good = said.good(answer_bytes)
        raise RuntimeError(f"only {good} of {count} calls by {PROGRAM} ended in OK")
    return said.called
