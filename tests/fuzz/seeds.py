"""The inputs to begin with: what the project's own fixtures and pages hold."""

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from random import Random
from typing import Final

from made_up import batch, purchase
from strategies import messages
from strategies.dialects import INBOUND, OUTGOING, write
from tokferry.v1 import BatchList

_ROOT: Final = Path(__file__).parents[2]
_EXAMPLES: Final = _ROOT / "server" / "docs" / "examples"
_ANSWERS: Final = (
    '{"code":0,"message":"OK","request_id":"20240101","data":{}}',
    '{"code":40002,"message":"Batch.3.properties.contents.0.price: Not a number"}',
    '{"code":40100,"message":"Too many requests"}',
    '{"code":"0"}',
    "<html>502 Bad Gateway</html>",
    "[]",
)
_MADE: Final = 40


def write_seeds(target: str, folder: Path) -> None:
    """Write one file for each seed of the target."""
    for number, seed in enumerate(_SEEDS[target]()):
        (folder / f"seed-{number:03}").write_bytes(seed)


def _json() -> Iterator[bytes]:
    for file in resources.files("tokferry_server.samples").iterdir():
        if file.name.endswith(".json"):
            yield file.read_bytes()
    yield json.dumps(batch(purchase(), purchase(1))).encode()
    for number in range(_MADE):
        dialect = OUTGOING if number % 2 else INBOUND
        yield write([messages.batch(Random(number))], dialect)


def _structured() -> Iterator[bytes]:
    for number in range(_MADE):
        yield Random(number).randbytes(40)


def _typed() -> Iterator[bytes]:
    for number in range(_MADE):
        made = [messages.batch(Random(number))]
        yield BatchList(batches=made).SerializeToString()


def _tiktok() -> Iterator[bytes]:
    date = b"Mon, 23 Nov 2026 10:00:00 GMT"
    for status in (200, 401, 429, 503):
        for answer in _ANSWERS:
            head = status.to_bytes(2), b"application/json", b"30", date
            yield b"\n".join((*head, answer.encode()))


def _settings() -> Iterator[bytes]:
    for file in sorted(_EXAMPLES.rglob("*.toml")):
        yield file.read_bytes()
    yield b'[connections.shop]\npixel_id = "C4MADEUPPIXEL0000001"\n'


_SEEDS: Final = {
    "json": _json,
    "structured": _structured,
    "typed": _typed,
    "tiktok": _tiktok,
    "settings": _settings,
}
