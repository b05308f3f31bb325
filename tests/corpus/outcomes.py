"""Maps generated batches through many connections, and digests all that comes of it."""

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from strategies import messages
from strategies.cases import connection
from strategies.dialects import INBOUND, OUTGOING, write
from strategies.mangled import mangle
from tokferry.mparticle import v1 as mparticle
from tokferry_server.mapping.connection import Connection
from tokferry_server.mapping.outcome import Outcome
from tokferry_server.mapping.transform import Transformer
from tokferry_server.mparticle.model import Batch, Malformed
from tokferry_server.mparticle.read_json import read_json
from tokferry_server.mparticle.read_proto import read_proto
from tokferry_server.tiktok.formats import wire_format

FOLDER = Path(__file__).parent
BATCHES = 10_000
BATCHES_PER_REQUEST = 2
FEW = 1_000
"""Batches that are enough to see most changes."""

Read = Callable[[int, list[mparticle.Batch]], list[Batch | Malformed]]
AS_FAR = "typed, as far as it is wanted"

WAYS: dict[str, tuple[Read, bool]] = {
    "typed": (lambda _seed, made: read_proto(made), False),
    "inbound": (lambda _seed, made: read_json(write(made, INBOUND)), False),
    "outgoing": (lambda _seed, made: read_json(write(made, OUTGOING)), False),
    "mangled": (lambda seed, made: read_json(_mangled(seed, made)), False),
    "explained": (lambda _seed, made: read_json(write(made, INBOUND)), True),
    "mangled and explained": (lambda seed, made: read_json(_mangled(seed, made)), True),
}
"""A way in, and whether the mapping is asked to explain itself."""


def connections() -> dict[str, Connection]:
    """Give the connections of the corpus by what is special about them."""
    tables = tomllib.loads((FOLDER / "connections.toml").read_text("utf-8"))
    return {one["name"]: connection(**one["settings"]) for one in tables["connection"]}


def digests(batches: int) -> dict[str, dict[str, str]]:
    """Give, by connection and by way in, the digest of all outcomes."""
    by_name = connections()
    requests = batches // BATCHES_PER_REQUEST
    return {
        name: _digests(one, range(number, requests, len(by_name)))
        for number, (name, one) in enumerate(by_name.items())
    }


def _digests(one: Connection, seeds: Iterable[int]) -> dict[str, str]:
    hashes = {way: hashlib.sha256() for way in (*WAYS, AS_FAR)}
    transformers = {
        explain: Transformer(one, explain=explain) for explain in (False, True)
    }
    wanted = transformers[False].wanted
    ways = {**WAYS, AS_FAR: (lambda _seed, made: read_proto(made, wanted), False)}
    for seed in seeds:
        random = Random(seed)
        made = [messages.batch(random) for _ in range(BATCHES_PER_REQUEST)]
        for way, (read, explain) in ways.items():
            outcomes = transformers[explain].transform(read(seed, made))
            for part in _told(outcomes, one):
                hashes[way].update(part)
    return {way: digest.hexdigest() for way, digest in hashes.items()}


def _told(outcomes: Iterable[Outcome], one: Connection) -> Iterator[bytes]:
    """Give everything that an outcome says, the bytes to be sent among it."""
    wire = wire_format(one.wire_format)
    for outcome in outcomes:
        drop = outcome.drop
        told = {
            "at": [outcome.batch, outcome.event],
            "drop": drop and [drop.reason.name, drop.field, drop.problem],
            "warnings": [[each.code.name, each.field] for each in outcome.warnings],
        }
        yield msgspec.json.encode(told)
        for mapped in outcome.events:
            yield wire.encode_event(mapped.event, mapped.time_ms)
            yield msgspec.json.encode([mapped.time_ms, mapped.origins])
            yield repr(mapped.event).encode()


def _mangled(seed: int, made: list[mparticle.Batch]) -> bytes:
    random = Random(f"mangled {seed}")
    dialect = (INBOUND, OUTGOING)[seed % 2]
    if dialect is INBOUND:
        return mangle(random, json.loads(write(made, dialect)))
    batches: list[Any] = [
        json.loads(line) for line in write(made, dialect).splitlines()
    ]
    return mangle(random, batches)
