"""What no mapping can do without: parse, decode, hash, encode, each by itself."""

import re
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Final

import msgspec

from bench.path import Way, typed_bytes
from bench.profiles import Load
from tokferry.v1 import BatchList
from tokferry_server.mparticle.model import BatchData, Event
from tokferry_server.tiktok.model import Event as TikTokEvent

_DIGEST: Final = re.compile(rb'"([0-9a-f]{64})"')
_CLEAR: Final = "jane.doe.of.example@example.com"

Run = Callable[[], object]


class Whole(BatchData):
    """A batch decoded at once, events and all: one bad event spoils it."""

    events: list[Event] | None = None


class Body(msgspec.Struct, omit_defaults=True):
    """A whole request to TikTok."""

    event_source: str
    event_source_id: str
    data: list[TikTokEvent]


_whole = msgspec.json.Decoder(Whole)
_any = msgspec.json.Decoder()
_body = msgspec.json.Decoder(Body)
_encoder = msgspec.json.Encoder()


def floors(load: Load, way: Way) -> dict[str, Run]:
    """Give the floors of a load; ``way`` makes the request that it becomes."""
    body = way(load.json)
    made = _body.decode(body)
    return {
        "decode": partial(_whole.decode, load.json),
        "JSON only": partial(_any.decode, load.json),
        "upb": partial(BatchList.FromString, typed_bytes(load)),
        "hash": partial(_hash, len(digests(body))),
        "encode": partial(_encoder.encode, made),
    }


def digests(body: bytes) -> set[bytes]:
    """Find the different SHA-256 digests that a request carries."""
    return set(_DIGEST.findall(body))


def _hash(count: int) -> None:
    for _ in range(count):
        sha256(_CLEAR.encode()).hexdigest()
