"""What is fuzzed: every place where bytes from outside are read.

Each target takes any bytes and raises nothing: what is wrong with its input, it says
with a value or with the error that its callers expect.
"""

import json
import tomllib
from collections.abc import Callable, Iterable
from copy import deepcopy
from random import Random
from typing import Any, Final

from google.protobuf.message import DecodeError

from strategies import messages
from strategies.chance import pick, seldom
from strategies.dialects import INBOUND, OUTGOING, write
from tokferry.v1 import BatchList, TransformResponse
from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.model import Batch, Malformed
from tokferry_server.mparticle.read_json import read_json
from tokferry_server.mparticle.read_proto import read_proto
from tokferry_server.rpc.write_proto import (
    add_origins,
    write_coverage,
    write_transform_result,
)
from tokferry_server.settings import SettingsError, settings_from_mapping
from tokferry_server.tiktok.answer import read_answer
from tokferry_server.tiktok.formats import wire_format
from tokferry_server.tiktok.verdicts import classify

Target = Callable[[bytes], None]

_ENVIRONMENTS: Final = ("production", "development")
_CONNECTIONS: Final = (
    Connection(name="web", pixel_id="C4FUZZ00000000000001", environments=_ENVIRONMENTS),
    Connection(
        name="app",
        pixel_id="7000000000000000001",
        event_source="app",
        native_events="extended",
        ip_and_user_agent="optional",
        user_attributes=True,
        derive_value=True,
        default_region="GB",
    ),
    Connection(
        name="legacy",
        pixel_id="C4FUZZ00000000000002",
        wire_format="events_1",
        ip_and_user_agent="optional",
        event_id_sources=("content_hash",),
    ),
)
_TRANSFORMERS: Final = [
    Transformer(connection, explain=explain)
    for connection in _CONNECTIONS
    for explain in (False, True)
]
_DOCUMENTS: Final = tuple(
    write([messages.batch(Random(number))], dialect)
    for number in range(64)
    for dialect in (INBOUND, OUTGOING)
)
_ODD: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    0.5,
    2**70,
    "",
    " ",
    "\ud800",
    [],
    {},
    [[]],
    {"": {}},
)


def read_raw_json(data: bytes) -> None:
    """Raw JSON of any kind, as Transform and Forward take it."""
    choice = sum(data)
    _transform(choice, read_json(data, wrap_events=choice % 2 == 0))


def read_structured(data: bytes) -> None:
    """A batch as mParticle writes it, with odd values where others belong."""
    random = _Choices(data)
    document = json.loads(pick(random, _DOCUMENTS))
    for _ in range(1 + random.randrange(4)):
        _spoil(random, document)
    _transform(random.getrandbits(8), read_json(json.dumps(document).encode()))


def read_typed(data: bytes) -> None:
    """Protobuf bytes: refused by the parser, or read like any typed batches."""
    try:
        batches = BatchList.FromString(data).batches
    except DecodeError:
        return
    _transform(sum(data), read_proto(batches))


def read_tiktok(data: bytes) -> None:
    """An HTTP answer: its status, three headers and its body, a line each."""
    status, kind, wait, date, body = (data.split(b"\n", 4) + [b""] * 4)[:5]
    answer = read_answer(
        http_status=int.from_bytes(status[:2]) % 600,
        body=body,
        content_type=kind.decode("latin-1") or None,
        retry_after=wait.decode("latin-1") or None,
        date=date.decode("latin-1") or None,
    )
    classify(answer)


def read_settings(data: bytes) -> None:
    """A settings file: refused with its problems named, or taken."""
    try:
        table = tomllib.loads(data.decode("utf-8", "replace"))
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    try:
        settings_from_mapping(table)
    except SettingsError as error:
        str(error)


TARGETS: Final[dict[str, Target]] = {
    "json": read_raw_json,
    "structured": read_structured,
    "typed": read_typed,
    "tiktok": read_tiktok,
    "settings": read_settings,
}


def _transform(choice: int, batches: Iterable[Batch | Malformed]) -> None:
    """Map with the chosen connection, and write what Transform would answer."""
    transformer = _TRANSFORMERS[choice % len(_TRANSFORMERS)]
    wire = wire_format(transformer.connection.wire_format)
    outcomes = list(transformer.transform(batches))
    results: list[Any] = [write_transform_result(one, wire) for one in outcomes]
    response = TransformResponse(results=results)
    add_origins(response, outcomes)
    response.SerializeToString()
    write_coverage(outcomes)


def _spoil(random: Random, document: Any) -> None:
    """Put an odd value in the place of one somewhere below."""
    while True:
        keys = list(document) if isinstance(document, dict) else range(len(document))
        if not keys:
            return
        key = pick(random, tuple(keys))
        below = document[key]
        if not isinstance(below, dict | list) or not below or seldom(random):
            document[key] = deepcopy(pick(random, _ODD))
            return
        document = below


class _Choices(Random):
    """Takes every choice from the input's bytes, and the first one once they end."""

    def __init__(self, data: bytes) -> None:
        super().__init__(0)
        self._data = data
        self._position = 0

    def random(self) -> float:
        return self.getrandbits(16) / 2**16

    def getrandbits(self, k: int, /) -> int:
        size = -(-k // 8)
        taken = self._data[self._position : self._position + size]
        self._position += size
        return int.from_bytes(taken) & ((1 << k) - 1)
